//! A helper as the server holds it: started ahead of need, told once, ended for sure.
#![expect(
    clippy::disallowed_methods,
    reason = "the sandbox is what starts processes"
)]

use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::reserve::Group;
use super::streams::Streams;
use crate::boundary::Ground;
use crate::config::Limits;
use crate::handover::{self, Arrival};
use crate::helper::{HELPER_ARG, Role};
use crate::reap::{self, Remains, Spared};
use crate::tier::Tier;
use crate::wire::{self, Report};

/// How long a helper may take to kill everything and report, before it is killed itself.
const HELPER_GRACE: Duration = Duration::from_secs(1);
/// How long the orphans of a killed helper are hunted.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(2);
/// Longest report.
const REPORT_BYTES: usize = 64 * 1024;

/// A started helper. Dropping it closes the control socket, which ends it and all it holds.
#[derive(Debug)]
pub(super) struct Helper {
    process: Child,
    _spared: Spared,
    control: UnixStream,
    /// What it has said so far.
    heard: Vec<u8>,
    tier: Tier,
    ground: Arc<Ground>,
    /// Removed last, when the processes are gone.
    group: Option<Group>,
}

/// How the helper itself ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HelperExit {
    Exited,
    Killed,
}

impl Helper {
    pub(super) fn launch(
        binary: &PathBuf,
        tier: Tier,
        ground: &Arc<Ground>,
        group: Option<Group>,
    ) -> io::Result<Self> {
        let (mut ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        // A new socket's buffer takes far more than this frame.
        ours.write_all(&wire::encode(&**ground)?)?;
        let control = UnixStream::from_std(ours)?;
        let (process, spared) = Spared::start(|| {
            let process = Command::new(binary)
                .arg(HELPER_ARG)
                .arg(Role::of(tier).as_str())
                .args(group.iter().flat_map(Group::words))
                .env_clear()
                .current_dir("/")
                .stdin(OwnedFd::from(theirs))
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            let pid = process.id().and_then(|pid| i32::try_from(pid).ok());
            Ok((process, pid.ok_or(io::ErrorKind::NotFound)?))
        })?;
        Ok(Self {
            process,
            _spared: spared,
            control,
            heard: Vec::new(),
            tier,
            ground: Arc::clone(ground),
            group,
        })
    }

    pub(super) fn is_limited(&self, limits: &Limits) -> bool {
        let group = self.group.as_ref();
        group.is_none_or(|group| group.has(limits))
    }

    pub(super) fn stands_on(&self, tier: Tier, ground: &Arc<Ground>) -> bool {
        self.tier == tier && (Arc::ptr_eq(&self.ground, ground) || self.ground == *ground)
    }

    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Keeps reading both streams, so that the command never waits for us.
    pub(super) fn read_into(&mut self, streams: &Streams) -> JoinSet<()> {
        let mut readers = JoinSet::new();
        if let Some(stdout) = self.process.stdout.take() {
            readers.spawn(streams.stdout.clone().read_all(stdout));
        }
        if let Some(stderr) = self.process.stderr.take() {
            readers.spawn(streams.stderr.clone().read_all(stderr));
        }
        readers
    }

    /// The listener that a helper on a ground with a proxy sends before anything else; `None` when
    /// it failed, which its report tells.
    pub(super) async fn listener(&mut self) -> Option<TcpListener> {
        let receive = || handover::receive(&self.control);
        match self.control.async_io(Interest::READABLE, receive).await {
            Ok(Arrival::Listener(listener)) => Some(listener),
            Ok(Arrival::Byte(byte)) => {
                self.heard.push(byte);
                None
            }
            Ok(Arrival::End) | Err(_) => None,
        }
    }

    /// Hands over the command.
    pub(super) async fn tell(&mut self, message: &[&[u8]]) {
        for part in message {
            // A helper that stops reading has something to say, or is gone.
            if self.control.write_all(part).await.is_err() {
                break;
            }
        }
    }

    /// Tells the helper to kill everything, and waits for its report for a while.
    pub(super) async fn stop(&mut self) {
        // The helper takes the end of the stream as: stop. It may be gone already.
        drop(self.control.shutdown().await);
        drop(timeout(HELPER_GRACE, self.listen()).await);
    }

    /// Collects what the helper says until the report is whole or the helper is gone. May be
    /// dropped and called again.
    pub(super) async fn listen(&mut self) {
        while self.heard.len() < REPORT_BYTES && self.report().is_none() {
            match self.control.read_buf(&mut self.heard).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    }

    pub(super) fn report(&self) -> Option<Report> {
        wire::decode(&self.heard).ok().flatten()
    }

    pub(super) fn left_nothing(&self) -> bool {
        self.report()
            .is_some_and(|report| report.remains == Remains::Nothing)
    }

    /// Waits for the helper's end and enforces it. Kills what the helper left, if it did not end
    /// well.
    pub(super) async fn bury(&mut self) -> HelperExit {
        let exit = timeout(HELPER_GRACE, self.process.wait()).await;
        if matches!(&exit, Ok(Ok(status)) if status.success()) {
            return HelperExit::Exited;
        }
        let exit = match exit {
            Ok(Ok(status)) if status.code().is_some() => HelperExit::Exited,
            Ok(Ok(_)) => HelperExit::Killed,
            Ok(Err(_)) | Err(_) => {
                // It is gone already, or this ends it.
                drop(self.process.start_kill());
                drop(timeout(HELPER_GRACE, self.process.wait()).await);
                HelperExit::Killed
            }
        };
        let group = self.group.as_ref().map(Group::place);
        let sweep = tokio::task::spawn_blocking(move || {
            // All that is in its group dies, also what no longer descends from the helper. An old kernel
            // cannot do that; the orphans are hunted one by one then.
            group.map(|group| group.kill());
            reap::end_orphans(ORPHAN_PATIENCE)
        });
        if !matches!(sweep.await, Ok(Remains::Nothing)) {
            tracing::error!("processes of a command could not be killed");
        }
        exit
    }
}
