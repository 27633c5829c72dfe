//! Runs commands, at most so many at once.

mod held;
mod streams;
mod supervise;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{getpid, set_child_subreaper};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::config::{Limits, SandboxConfig};
use crate::outcome::{Confinement, Layer, Outcome, Progress, Tier};
use crate::wire::Stage;
use held::Reserve;
use streams::Streams;
use supervise::{Answer, Supervision};

const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
const CONFINEMENT: Confinement = Confinement {
    tier: Tier::None,
    layers: &[
        Layer::Subreaper,
        Layer::ProcessGroup,
        Layer::CleanEnvironment,
        Layer::ResourceLimits,
        Layer::NoNewPrivileges,
    ],
};

/// A command, decided and ready to run.
#[derive(Debug)]
pub struct CommandSpec {
    /// What to execute; without a slash it is looked up in the `PATH` of `environment`.
    pub program: String,
    /// Its arguments, the program's name not included.
    pub args: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it starts.
    pub cwd: WorkingDirectory,
    /// What it reads from standard input.
    pub stdin: Vec<u8>,
    /// When it is ended, counted from its start.
    pub timeout: Duration,
    /// Bytes kept of each output stream: the first and the last half.
    pub output_cap_bytes: usize,
}

/// Where a command starts.
#[derive(Debug)]
pub enum WorkingDirectory {
    /// This very directory, whatever its path has become. `O_PATH` suffices.
    Given(OwnedFd),
    /// `/tmp`.
    Temporary,
}

/// Runs commands. Cheap to clone; clones share the bound on concurrent commands.
#[derive(Debug, Clone)]
pub struct Runner {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    reserve: Arc<Reserve>,
    limits: Limits,
    slots: Arc<Semaphore>,
    /// Owns the supervision of every command, so that one whose call was dropped is still ended
    /// and buried. Dropped with the last handle, which closes all control sockets.
    supervisors: Mutex<JoinSet<()>>,
}

/// Commands cannot be run on this system.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The server could not become the reaper of its helpers' orphans.
    #[error("the server cannot adopt orphaned processes")]
    Subreaper {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// A command was not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The helper could not be started.
    #[error("cannot start the sandbox helper")]
    Launch {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The program could not be executed.
    #[error("cannot execute {program:?}")]
    Execute {
        /// What was asked for.
        program: String,
        /// What the kernel said: not found, not permitted, arguments too long …
        #[source]
        source: io::Error,
    },
    /// The helper could not confine or watch the command, so it did not run or was ended.
    #[error("the sandbox helper failed at step {stage:?}")]
    Helper {
        /// The step.
        stage: Stage,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The helper ended without a report and was not killed.
    #[error("the sandbox helper gave no report")]
    NoReport,
    /// The runner or its runtime is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

impl Runner {
    /// A runner whose helper is the running binary itself; its `main` must call
    /// [`helper::main`](crate::helper::main) when its first argument is
    /// [`HELPER_ARG`](crate::HELPER_ARG).
    ///
    /// Makes the process adopt orphaned descendants (`PR_SET_CHILD_SUBREAPER`), so that a command
    /// that kills its helper does not get away. From then on, children in another session than
    /// the process's own are taken for such orphans and killed.
    pub fn build(config: &SandboxConfig) -> Result<Self, BuildError> {
        Self::with_helper(config, PathBuf::from("/proc/self/exe"))
    }

    /// Like [`Runner::build`], with another binary as the helper, named by its absolute path.
    pub fn with_helper(config: &SandboxConfig, helper: PathBuf) -> Result<Self, BuildError> {
        set_child_subreaper(Some(getpid())).map_err(|errno| BuildError::Subreaper {
            source: errno.into(),
        })?;
        let shared = Shared {
            reserve: Arc::new(Reserve::new(helper)),
            limits: config.limits,
            slots: Arc::new(Semaphore::new(config.max_concurrent.get())),
            supervisors: Mutex::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// What holds every command that this runner runs.
    pub const fn confinement(&self) -> Confinement {
        CONFINEMENT
    }

    /// Runs a command to its end, its time-out included; no descendant survives.
    ///
    /// Waits for its turn first; the caller bounds that wait. `on_progress` is called about every
    /// second. Dropping the future ends the command and everything it started.
    pub async fn run(
        &self,
        spec: CommandSpec,
        mut on_progress: impl FnMut(Progress) + Send,
    ) -> Result<Outcome, RunError> {
        let started = Instant::now();
        let slots = Arc::clone(&self.shared.slots);
        let slot = slots
            .acquire_owned()
            .await
            .map_err(|_| RunError::ShuttingDown)?;
        let streams = Streams::with_cap(spec.output_cap_bytes);
        // Dropping the receiver is how the supervisor learns that nobody waits any more.
        let (answer, mut outcome) = oneshot::channel();
        self.supervise(spec, streams.clone(), slot, answer);

        let mut ticks = tokio::time::interval(PROGRESS_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        loop {
            tokio::select! {
                biased;
                outcome = &mut outcome => return outcome.map_err(|_| RunError::ShuttingDown)?,
                _ = ticks.tick() => on_progress(Progress {
                    elapsed: started.elapsed(),
                    output_bytes: streams.seen(),
                }),
            }
        }
    }

    fn supervise(
        &self,
        spec: CommandSpec,
        streams: Streams,
        slot: OwnedSemaphorePermit,
        answer: Answer,
    ) {
        let reserve = Arc::clone(&self.shared.reserve);
        let supervision = Supervision {
            reserve,
            limits: self.shared.limits,
            spec,
        };
        let mut supervisors = self
            .shared
            .supervisors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while supervisors.try_join_next().is_some() {}
        supervisors.spawn(async move {
            supervision.run(streams, answer).await;
            drop(slot);
        });
    }
}
