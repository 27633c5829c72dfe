//! The file that lines are appended to: one chain, whoever else appends to it.
//!
//! Every write happens under flock(2) on a lock file beside the audit. The holder looks whether the
//! current file is still the one it has open and as long as it left it, reads the end again when it
//! is not, and then appends in one write(2). Room for [`FLOOR_BYTES`] beyond the end is kept
//! allocated (fallocate(2), `FALLOC_FL_KEEP_SIZE`), so that a full disk is known before a call acts.

mod ending;
mod files;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use self::ending::TAIL_BYTES;
use self::files::Opened;
use crate::AuditError;
use crate::record::{MAX_LINE_BYTES, Origin};

pub(crate) use self::files::Room;

/// Room behind the end that only calls which have acted may use: as many lines as 64 of them leave.
pub(crate) const FLOOR_BYTES: u64 = 64 * MAX_LINE_BYTES;

/// How long another process may hold the lock. It is held for one write.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks at a lock that is held.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// Whether the thread may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It serves others: what would wait is put off.
    None,
    /// For the lock, and for the disk when `Durable`.
    Wait,
    /// As `Wait`, and the lines are forced to the disk.
    Durable,
}

/// Whether lines may use the room that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// They may: what they say has happened and room was kept for it.
    Acted,
    /// They may not.
    Read,
}

/// Why nothing was done.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// It would have had to wait.
    Busy,
    /// It cannot be done.
    Failed(AuditError),
}

impl From<AuditError> for Stopped {
    fn from(error: AuditError) -> Self {
        Self::Failed(error)
    }
}

/// When a file is followed by the next, and how many are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Size past which a new file is begun, in bytes.
    pub(crate) file_bytes: u64,
    /// Files that are kept.
    pub(crate) files: u32,
}

/// Where lines go.
#[derive(Debug)]
pub(crate) struct Journal {
    path: Option<PathBuf>,
    origin: Origin,
    limits: Limits,
    opened: Option<Opened>,
    out: Vec<u8>,
}

impl Journal {
    /// A journal at `path`; nothing is opened yet.
    pub(crate) fn new(path: Option<PathBuf>, origin: Origin, limits: Limits) -> Self {
        Self {
            path,
            origin,
            limits,
            opened: None,
            out: Vec::new(),
        }
    }

    /// Appends `bodies`, one a line, in one write.
    pub(crate) fn append(
        &mut self,
        bodies: &str,
        urgency: Urgency,
        patience: Patience,
    ) -> Result<(), Stopped> {
        let limits = self.limits;
        let mut out = std::mem::take(&mut self.out);
        let origin = self.origin.clone();
        let appended = self.locked(patience, |opened| {
            opened.settle(&origin)?;
            // Lines that must be written go where room was kept for them.
            if urgency == Urgency::Read {
                opened.rotate_if_full(&origin, limits, patience)?;
            }
            opened.write(bodies, urgency, &mut out)?;
            if patience == Patience::Durable {
                opened.sync()?;
            }
            Ok(())
        });
        out.clear();
        out.shrink_to(usize::try_from(TAIL_BYTES).unwrap_or(0));
        self.out = out;
        appended
    }

    /// Makes sure that what a call is about to do can be recorded.
    pub(crate) fn reserve(&mut self, patience: Patience) -> Result<(), Stopped> {
        let (origin, limits) = (self.origin.clone(), self.limits);
        self.locked(patience, |opened| {
            opened.settle(&origin)?;
            opened.rotate_if_full(&origin, limits, patience)?;
            Ok(opened.make_room(FLOOR_BYTES)?)
        })
    }

    /// The current file and how room is kept in it, once it was opened.
    pub(crate) fn state(&self) -> Option<(PathBuf, Room)> {
        let opened = self.opened.as_ref()?;
        Some((opened.place.file(), opened.room))
    }

    /// Opens the directory, so that it can be protected before the first line.
    pub(crate) fn prepare(&mut self) -> Result<&Path, AuditError> {
        Ok(self.open()?.place.directory())
    }

    fn open(&mut self) -> Result<&mut Opened, AuditError> {
        if self.opened.is_none() {
            let path = self.path.as_deref().ok_or(AuditError::NoPlace)?;
            self.opened = Some(Opened::at(path)?);
        }
        self.opened.as_mut().ok_or(AuditError::NoPlace)
    }

    /// Does `work` while no other process writes. What fails is opened anew the next time.
    fn locked(
        &mut self,
        patience: Patience,
        work: impl FnOnce(&mut Opened) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        let opened = self.open()?;
        lock(opened, patience)?;
        let done = work(opened);
        // Closing the descriptor, if need be, unlocks too.
        let unlocked = rustix::fs::flock(&opened.lock, FlockOperation::Unlock);
        if unlocked.is_err() || matches!(done, Err(Stopped::Failed(_))) {
            self.opened = None;
        }
        done
    }
}

fn lock(opened: &Opened, patience: Patience) -> Result<(), Stopped> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match rustix::fs::flock(&opened.lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) if patience == Patience::None => return Err(Stopped::Busy),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(LOCK_PAUSE),
            Err(Errno::WOULDBLOCK) => {
                let path = opened.place.lock_path();
                return Err(AuditError::Locked { path }.into());
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(opened.place.failed("lock")(errno).into()),
        }
    }
}
