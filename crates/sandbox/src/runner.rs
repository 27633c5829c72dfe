//! Runs commands, at most so many at once.

mod held;
mod probe;
mod reserve;
mod streams;
mod supervise;
mod turns;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{getpid, set_child_subreaper};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::boundary::Boundary;
use crate::cgroup::{Group, Groups, NoCgroups};
use crate::config::SandboxConfig;
use crate::gateway::Gateway;
use crate::outcome::{Outcome, Progress};
use crate::tier::{Confinement, Tier};
use crate::wire::Stage;
use probe::Probes;
use reserve::Reserve;
use streams::Streams;
use supervise::{Answer, Next, Supervision};
use turns::Turns;

pub use probe::{Inexpressible, Shortfall};
pub use turns::Turn;

const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

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
    /// What it may touch.
    pub boundary: Boundary,
    /// What serves its proxy if it has [`Network::Proxy`](crate::Network::Proxy). Without one
    /// nothing listens there.
    pub gateway: Option<Arc<dyn Gateway>>,
}

/// Where a command starts.
#[derive(Debug)]
pub enum WorkingDirectory {
    /// This very directory, whatever its path has become. `O_PATH` suffices.
    Given(OwnedFd),
    /// The command's temporary directory.
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
    probes: Probes,
    turns: Arc<Turns>,
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
    /// The working directory is gone or cannot be entered.
    #[error("the working directory cannot be entered")]
    Directory {
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// This host does not allow what the policy demands.
    #[error("commands must run in the sandbox tier `{}` at least, which this host does not allow", .0.required)]
    Unavailable(#[source] Shortfall),
    /// The strongest tier that may be used and that this host allows cannot hold the policy.
    #[error(
        "the sandbox tier `{}`, the strongest one that may be used here, cannot hold the policy",
        .0.tier
    )]
    Inexpressible(#[source] Inexpressible),
    /// The command's way out could not be opened, so it did not run.
    #[error("the command's network proxy cannot be opened")]
    Gateway {
        /// Why.
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

impl RunError {
    /// Whether a protected path changed places before it could be held. Nothing ran; a boundary
    /// that is drawn anew may hold.
    pub fn is_stale(&self) -> bool {
        let Self::Helper { stage, source } = self else {
            return false;
        };
        *stage == Stage::Guard && source.raw_os_error() == Some(Errno::STALE.raw_os_error())
    }
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
        let turns = Turns::new(config.max_concurrent.get());
        Ok(Self::new(Reserve::new(helper), Arc::new(turns)))
    }

    /// A runner for another policy, which tries the tiers out anew. It shares this one's bound on
    /// commands at once, which becomes that of `config` for both.
    #[must_use]
    pub fn renewed(&self, config: &SandboxConfig) -> Self {
        let turns = Arc::clone(&self.shared.turns);
        turns.resize(config.max_concurrent.get());
        Self::new(self.shared.reserve.renewed(), turns)
    }

    fn new(reserve: Reserve, turns: Arc<Turns>) -> Self {
        let shared = Shared {
            reserve: Arc::new(reserve),
            probes: Probes::default(),
            turns,
            supervisors: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Has the control groups of commands made in `above` instead of the server's own group, with the
    /// limits that its controllers have. Only before the first command.
    ///
    /// # Errors
    /// When groups cannot be made there.
    pub fn grouped_in(self, above: Group) -> Result<Self, NoCgroups> {
        self.shared.reserve.group_in(Groups::beneath(above)?);
        Ok(self)
    }

    /// Why commands have no control groups, if they have none. Looked for once.
    pub fn lacks_cgroups(&self) -> Option<NoCgroups> {
        self.shared.reserve.groups().err().cloned()
    }

    /// What would hold a command within `boundary`. Tried out once for each tier, by running a
    /// command in it.
    pub async fn confinement(&self, boundary: &Boundary) -> Result<Confinement, RunError> {
        let tier = self.tier(boundary).await?;
        self.try_out(tier, boundary).await.map_err(|source| {
            RunError::Unavailable(Shortfall {
                required: boundary.require,
                missing: vec![(tier, source)],
            })
        })
    }

    /// Waits for a command's turn; the caller bounds that wait. What other commands may change is
    /// to be looked at afterwards.
    pub async fn turn(&self) -> Result<Turn, RunError> {
        let turn = self.shared.turns.take().await;
        turn.map_err(|_| RunError::ShuttingDown)
    }

    /// Waits for its turn, then runs a command to its end.
    pub async fn run(
        &self,
        spec: CommandSpec,
        on_progress: impl FnMut(Progress) + Send,
    ) -> Result<Outcome, RunError> {
        let turn = self.turn().await?;
        self.run_in_turn(turn, spec, on_progress).await
    }

    /// Runs a command to its end, its time-out included; no descendant survives.
    ///
    /// `on_progress` is called about every second. Dropping the future ends the command and
    /// everything it started.
    pub async fn run_in_turn(
        &self,
        turn: Turn,
        spec: CommandSpec,
        on_progress: impl FnMut(Progress) + Send,
    ) -> Result<Outcome, RunError> {
        let tier = self.tier(&spec.boundary).await?;
        self.run_in(tier, spec, (Some(turn), Next::Expected), on_progress)
            .await
    }

    async fn run_in(
        &self,
        tier: Tier,
        spec: CommandSpec,
        (turn, next): (Option<Turn>, Next),
        mut on_progress: impl FnMut(Progress) + Send,
    ) -> Result<Outcome, RunError> {
        let started = Instant::now();
        let streams = Streams::with_cap(spec.output_cap_bytes);
        // Dropping the receiver is how the supervisor learns that nobody waits any more.
        let (answer, mut outcome) = oneshot::channel();
        let supervision = Supervision {
            reserve: Arc::clone(&self.shared.reserve),
            tier,
            spec,
            next,
        };
        self.supervise(supervision, streams.clone(), turn, answer);

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
        supervision: Supervision,
        streams: Streams,
        turn: Option<Turn>,
        answer: Answer,
    ) {
        let mut supervisors = self
            .shared
            .supervisors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while supervisors.try_join_next().is_some() {}
        supervisors.spawn(async move {
            supervision.run(streams, answer).await;
            drop(turn);
        });
    }
}
