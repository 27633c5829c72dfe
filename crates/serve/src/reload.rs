//! Noticing that the configuration may have changed: SIGHUP, or another file under its name.
//!
//! The kernel tells (inotify(7)), so nothing runs while nothing happens. What is watched are
//! directories, because editors replace a file by renaming another one over it.
#![expect(
    clippy::disallowed_methods,
    reason = "follows the links of the operator's own path, once"
)]

use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;

use crate::ServeError;

/// How long a file is left to settle: several events mostly stand for one change.
const SETTLING: Duration = Duration::from_millis(50);
/// Bytes of events read at once; each has 16 and a name of at most 256.
const BUFFER: usize = 4096;
/// The name that is replaced when a mounted Kubernetes volume changes.
const VOLUME: &str = "..data";

/// Why the configuration is looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The operator asked for it (SIGHUP).
    Asked,
    /// The file, or its neighbour, changed.
    FileChanged,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Reloading {
    _watching: AbortOnDropHandle<()>,
}

impl Reloading {
    /// Calls `apply` on a blocking thread on SIGHUP and when `file` changes, one call at a time.
    ///
    /// # Errors
    /// When the signal cannot be listened for. A file that cannot be watched is only logged.
    pub fn start(
        file: Option<&Path>,
        apply: impl Fn(Occasion) + Send + Sync + 'static,
    ) -> Result<Self, ServeError> {
        let asked = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
        let file = file.and_then(|path| match Watched::new(path) {
            Ok(watched) => Some(watched),
            Err(error) => {
                tracing::warn!(%error, "the configuration file is not watched; send SIGHUP instead");
                None
            }
        });
        let watching = crate::run::spawn(watch(asked, file, Arc::new(apply)));
        Ok(Self {
            _watching: watching,
        })
    }
}

async fn watch(
    mut asked: Signal,
    mut file: Option<Watched>,
    apply: Arc<impl Fn(Occasion) + Send + Sync + 'static>,
) {
    loop {
        let changed = async {
            match &mut file {
                Some(file) => file.changed().await,
                None => std::future::pending().await,
            }
        };
        let occasion = tokio::select! {
            Some(()) = asked.recv() => Occasion::Asked,
            () = changed => Occasion::FileChanged,
        };
        let apply = Arc::clone(&apply);
        if let Err(error) = tokio::task::spawn_blocking(move || apply(occasion)).await {
            tracing::error!(%error, "the configuration could not be looked at");
        }
    }
}

/// A file under watch.
struct Watched {
    events: AsyncFd<OwnedFd>,
    path: PathBuf,
    /// Names whose change may be one of the file.
    names: Vec<OsString>,
}

impl Watched {
    #[expect(
        deprecated,
        reason = "an OwnedFd keeps to I/O safety; the successor is unsafe for types that may not"
    )]
    fn new(path: &Path) -> std::io::Result<Self> {
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let mut watched = Self {
            events: AsyncFd::with_interest(events, Interest::READABLE)?,
            path: path.to_owned(),
            names: Vec::new(),
        };
        watched.aim()?;
        Ok(watched)
    }

    /// Watches the directories of the file and of what it leads to, as they are now.
    fn aim(&mut self) -> std::io::Result<()> {
        let flags = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        let real = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        self.names = vec![VOLUME.into()];
        for path in [&self.path, &real] {
            let directory = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            let directory = directory.unwrap_or(Path::new("."));
            inotify::add_watch(self.events.get_ref(), directory, flags)?;
            self.names.extend(path.file_name().map(OsStr::to_owned));
        }
        Ok(())
    }

    /// Waits until the file has changed and a while has passed since.
    async fn changed(&mut self) {
        loop {
            let Ok(mut ready) = self.events.readable().await else {
                return std::future::pending().await;
            };
            let is_ours = drain(self.events.get_ref(), &self.names);
            ready.clear_ready();
            if is_ours {
                tokio::time::sleep(SETTLING).await;
                drain(self.events.get_ref(), &self.names);
                if let Err(error) = self.aim() {
                    tracing::warn!(%error, "the configuration file cannot be watched on");
                }
                return;
            }
        }
    }
}

/// Takes the events that wait; tells whether one is about these names, or may be.
fn drain(events: &OwnedFd, names: &[OsString]) -> bool {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut reader = inotify::Reader::new(events, &mut buffer);
    let mut is_ours = false;
    // The end is `WOULDBLOCK`, which is no failure; any other would come again.
    while let Ok(event) = reader.next() {
        let lost = ReadFlags::QUEUE_OVERFLOW | ReadFlags::IGNORED;
        let name = event
            .file_name()
            .map(|name| OsStr::from_bytes(name.to_bytes()));
        is_ours |= event.events().intersects(lost)
            || name.is_some_and(|name| names.iter().any(|ours| ours == name));
    }
    is_ours
}
