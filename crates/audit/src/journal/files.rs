//! The current file and its rotated ones: how they begin, grow, rotate and are repaired.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::ending::{Last, last_line};
use super::{FLOOR_BYTES, Limits, Patience, Stopped, Urgency};
use crate::AuditError;
use crate::chain::Head;
use crate::place::{Identity, Make, Place};
use crate::record::{Event, Origin};

/// Room that is allocated at once.
const RESERVE_BYTES: u64 = 4 * FLOOR_BYTES;

/// The files, while no other process writes to them.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) place: Place,
    pub(super) lock: OwnedFd,
    current: Option<Current>,
    pub(super) room: Room,
}

#[derive(Debug)]
struct Current {
    file: OwnedFd,
    identity: Identity,
    end: u64,
    reserved: u64,
    head: Head,
}

/// How the room behind the end is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// It is allocated.
    Reserved,
    /// The file system cannot allocate ahead: free blocks are looked at instead.
    Watched,
}

impl Opened {
    /// Opens the directory of the audit at `path`; its files are opened by [`Opened::settle`].
    pub(super) fn at(path: &Path) -> Result<Self, AuditError> {
        let place = Place::open(path)?;
        Ok(Self {
            lock: place.lock_file()?,
            place,
            current: None,
            room: Room::Reserved,
        })
    }

    /// Makes `current` the file that the name stands for, with its end known and whole.
    pub(super) fn settle(&mut self, origin: &Origin) -> Result<(), AuditError> {
        let seen = self.place.look()?;
        let known = self.current.as_ref().is_some_and(|current| {
            seen.as_ref().is_some_and(|seen| {
                Identity::of(seen) == current.identity && length(seen.st_size) == current.end
            })
        });
        if known {
            return Ok(());
        }
        self.current = None;
        let Some((file, stat)) = self.place.current(Make::Nothing)? else {
            return self.begin(origin, None);
        };
        let identity = Identity::of(&stat);
        let end = length(stat.st_size);
        match last_line(&file, end).map_err(self.place.failed("read"))? {
            Last::Nothing => {
                rustix::fs::ftruncate(&file, 0).map_err(self.place.failed("repair"))?;
                self.begin(origin, Some((file, identity)))?;
                self.note_repair(origin, end)
            }
            Last::Line { head, torn } => {
                self.current = Some(Current {
                    file,
                    identity,
                    end,
                    // Whoever wrote meanwhile may have used the room or given it back.
                    reserved: 0,
                    head,
                });
                self.take_off(torn)?;
                self.note_repair(origin, torn)
            }
            Last::Unreadable => self.set_damage_aside(origin),
        }
    }

    /// Begins a file after the newest rotated one, if there is one.
    fn begin(
        &mut self,
        origin: &Origin,
        empty: Option<(OwnedFd, Identity)>,
    ) -> Result<(), AuditError> {
        let numbers = self.place.numbers()?;
        let newest = numbers.last().copied();
        let oldest = numbers.first().copied().unwrap_or(1);
        let before = match newest {
            Some(number) => self.end_of(number)?,
            None => Some(Head::EMPTY),
        };
        self.create(before.unwrap_or(Head::EMPTY), empty)?;
        let continues = newest.map(|number| self.place.rotated_name(number));
        let Some(continues) = continues else {
            return Ok(());
        };
        let name = continues.to_string_lossy();
        let event = match before {
            Some(_) => Event::Rotate {
                continues: &name,
                oldest,
            },
            None => Event::Damage { set_aside: &name },
        };
        self.write(&origin.event(&event), Urgency::Acted, &mut Vec::new())
    }

    fn create(&mut self, head: Head, empty: Option<(OwnedFd, Identity)>) -> Result<(), AuditError> {
        let (file, identity) = if let Some(empty) = empty {
            empty
        } else {
            let made = self.place.current(Make::New)?;
            let (file, stat) = made.ok_or_else(|| self.place.failed("make")(Errno::NOENT))?;
            (file, Identity::of(&stat))
        };
        self.current = Some(Current {
            file,
            identity,
            end: 0,
            reserved: 0,
            head,
        });
        Ok(())
    }

    /// Where the chain stood at the end of a rotated file; none when that cannot be read.
    fn end_of(&self, number: u64) -> Result<Option<Head>, AuditError> {
        let Some((file, stat)) = self.place.rotated(number)? else {
            return Ok(None);
        };
        let last = last_line(&file, length(stat.st_size));
        match last.map_err(self.place.io("read", &self.place.rotated_name(number)))? {
            Last::Line { head, torn: 0 } => Ok(Some(head)),
            Last::Line { .. } | Last::Nothing | Last::Unreadable => Ok(None),
        }
    }

    /// Takes a torn line off the end.
    fn take_off(&mut self, torn: u64) -> Result<(), AuditError> {
        let failed = self.place.failed("repair");
        match self.current.as_mut() {
            Some(current) if torn > 0 => {
                current.end = current.end.saturating_sub(torn);
                rustix::fs::ftruncate(&current.file, current.end).map_err(failed)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn note_repair(&mut self, origin: &Origin, dropped_bytes: u64) -> Result<(), AuditError> {
        if dropped_bytes == 0 {
            return Ok(());
        }
        let event = Event::Repair { dropped_bytes };
        self.write(&origin.event(&event), Urgency::Acted, &mut Vec::new())
    }

    fn set_damage_aside(&mut self, origin: &Origin) -> Result<(), AuditError> {
        let number = self.place.numbers()?.last().map_or(1, |last| last + 1);
        self.place.set_aside(number)?;
        self.begin(origin, None)
    }

    /// Begins a new file if the current one is full. Removing the oldest may take long.
    pub(super) fn rotate_if_full(
        &mut self,
        origin: &Origin,
        limits: Limits,
        patience: Patience,
    ) -> Result<(), Stopped> {
        let full = |current: &Current| current.end >= limits.file_bytes;
        match self.current.as_ref().is_some_and(full) {
            true if patience == Patience::None => Err(Stopped::Busy),
            true => Ok(self.rotate(origin, limits.files)?),
            false => Ok(()),
        }
    }

    fn rotate(&mut self, origin: &Origin, files: u32) -> Result<(), AuditError> {
        if let Some(current) = self.current.take() {
            // Gives back what was allocated behind the end.
            rustix::fs::ftruncate(&current.file, current.end)
                .map_err(self.place.failed("close"))?;
        }
        let mut numbers = self.place.numbers()?;
        let number = numbers.last().map_or(1, |last| last + 1);
        self.place.set_aside(number)?;
        numbers.push(number);
        // The newest is read once more before it may go.
        let kept = usize::try_from(files.saturating_sub(1))
            .unwrap_or(usize::MAX)
            .max(1);
        let surplus = numbers.len().saturating_sub(kept);
        for number in numbers.into_iter().take(surplus) {
            self.place.remove(number)?;
        }
        self.begin(origin, None)?;
        self.place.sync()
    }

    /// Seals `bodies` and appends them; a write that ends early leaves nothing.
    pub(super) fn write(
        &mut self,
        bodies: &str,
        urgency: Urgency,
        out: &mut Vec<u8>,
    ) -> Result<(), AuditError> {
        let Some(mut head) = self.current.as_ref().map(|current| current.head) else {
            return Ok(());
        };
        for body in bodies.lines() {
            head.seal(body, out);
        }
        let written = u64::try_from(out.len()).unwrap_or(u64::MAX);
        if let Err(error) = self.make_room(written.saturating_add(FLOOR_BYTES))
            && urgency == Urgency::Read
        {
            return Err(error);
        }
        let io = self.place.failed("write");
        let Some(current) = self.current.as_mut() else {
            return Ok(());
        };
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            match rustix::io::write(&current.file, rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(errno) => {
                    // If this fails too, the next to open it finds a torn line.
                    rustix::fs::ftruncate(&current.file, current.end).unwrap_or_default();
                    current.reserved = 0;
                    return Err(io(errno));
                }
            }
        }
        current.end = current.end.saturating_add(written);
        current.head = head;
        Ok(())
    }

    /// Sees to it that `bytes` behind the end can be written.
    pub(super) fn make_room(&mut self, bytes: u64) -> Result<(), AuditError> {
        let io = self.place.failed("reserve room in");
        let Some(current) = self.current.as_mut() else {
            return Ok(());
        };
        if current.reserved >= current.end.saturating_add(bytes) {
            return Ok(());
        }
        let wanted = bytes.saturating_add(RESERVE_BYTES);
        let mut allocated = allocate(current, wanted);
        if matches!(allocated, Err(Errno::NOSPC | Errno::DQUOT)) {
            allocated = allocate(current, bytes);
        }
        match allocated {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                self.room = Room::Watched;
                let free = rustix::fs::fstatvfs(&current.file).map_err(&io)?;
                if free.f_bavail.saturating_mul(free.f_frsize) < bytes {
                    return Err(io(Errno::NOSPC));
                }
                Ok(())
            }
            Err(errno) => Err(io(errno)),
        }
    }

    pub(super) fn sync(&self) -> Result<(), AuditError> {
        let Some(current) = self.current.as_ref() else {
            return Ok(());
        };
        rustix::fs::fdatasync(&current.file).map_err(self.place.failed("store"))
    }
}

fn allocate(current: &mut Current, bytes: u64) -> Result<(), Errno> {
    rustix::fs::fallocate(&current.file, FallocateFlags::KEEP_SIZE, current.end, bytes)?;
    current.reserved = current.end.saturating_add(bytes);
    Ok(())
}

fn length(size: i64) -> u64 {
    u64::try_from(size).unwrap_or(0)
}
