//! One command from start to burial, on the server's side.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::held::{Helper, HelperExit};
use super::reserve::Reserve;
use super::streams::Streams;
use super::{CommandSpec, RunError, WorkingDirectory};
use crate::boundary::{Ground, Place};
use crate::config::Network;
use crate::gateway::Passage;
use crate::outcome::{Outcome, Status};
use crate::tier::{Confinement, Tier};
use crate::wire::{self, Ending, Request, Stage};

/// How long output is waited for when something still holds the pipe after the helper is gone.
const PIPE_GRACE: Duration = Duration::from_millis(200);

/// Where the outcome of a command goes.
pub(super) type Answer = oneshot::Sender<Result<Outcome, RunError>>;

/// A command and what runs it.
pub(super) struct Supervision {
    pub(super) reserve: Arc<Reserve>,
    pub(super) tier: Tier,
    pub(super) spec: CommandSpec,
    pub(super) next: Next,
}

/// Whether another command is to be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Expected,
    Unknown,
}

/// Why supervision came to its end.
#[derive(Debug)]
enum Cause {
    /// The helper reported or is gone.
    Ended,
    /// There is no way out for the command, which was not handed over.
    NoGateway(io::Error),
    TimedOut,
    /// Nobody waits for the outcome any more.
    Dropped,
}

impl Supervision {
    /// Runs the command until it ends, its time is up, or nobody waits for `answer`; sends the
    /// outcome as soon as every descendant is dead, then waits for the helper's own end.
    pub(super) async fn run(mut self, streams: Streams, mut answer: Answer) {
        let started = Instant::now();
        let (mut helper, frame) = match self.prepare() {
            Ok(ready) => ready,
            // Nobody listens when the call was dropped, here and below.
            Err(error) => return drop(answer.send(Err(error))),
        };
        let environment = wire::encode_environment(&self.spec.environment);
        let message = [&*frame, &*environment, &*self.spec.stdin];

        let mut readers = helper.read_into(&streams);
        let mut passage = None;
        let cause = tokio::select! {
            biased;
            () = answer.closed() => Cause::Dropped,
            cause = self.hand_over(&mut helper, &message, &mut passage) => cause,
            () = sleep(self.spec.timeout) => Cause::TimedOut,
        };
        if !matches!(cause, Cause::Ended) {
            helper.stop().await;
        }
        let exit = if helper.left_nothing() {
            None
        } else {
            Some(helper.bury().await)
        };
        // All that could use it is dead.
        let refusals = passage.map_or_else(Vec::new, |passage| passage.refusals());
        if !matches!(cause, Cause::Dropped) {
            // Late output of something that got away is not worth the wait; what was read stays.
            drop(
                timeout(PIPE_GRACE, async {
                    while readers.join_next().await.is_some() {}
                })
                .await,
            );
        }
        drop(readers);
        let timed_out = matches!(cause, Cause::TimedOut);
        let status = match cause {
            Cause::NoGateway(source) => Err(RunError::Gateway { source }),
            Cause::Ended | Cause::TimedOut | Cause::Dropped => self.status(&helper, exit),
        };
        let outcome = status.map(|status| Outcome {
            status,
            timed_out,
            stdout: streams.stdout.take(),
            stderr: streams.stderr.take(),
            duration: started.elapsed(),
            refusals,
            confinement: self.confinement(&helper),
        });
        drop(answer.send(outcome));
        if exit.is_none() {
            helper.bury().await;
        }
        drop(helper);
        self.refill();
    }

    /// Starts the helper of the next command, if one is to be expected and none waits.
    fn refill(&self) {
        if self.next == Next::Expected {
            self.reserve.refill(self.tier, &self.spec.boundary);
        }
    }

    /// Opens the command's way out, if it is to have one, hands it over and waits for its end.
    async fn hand_over(
        &self,
        helper: &mut Helper,
        message: &[&[u8]],
        passage: &mut Option<Box<dyn Passage>>,
    ) -> Cause {
        if self.tier == Tier::Strict
            && self.ground().network == Network::Proxy
            && let Some(listener) = helper.listener().await
            && let Some(gateway) = &self.spec.gateway
        {
            match gateway.open(listener) {
                Ok(opened) => *passage = Some(opened),
                Err(error) => return Cause::NoGateway(error),
            }
        }
        helper.tell(message).await;
        // Moving it to a group would hold up every process that starts another: that is left for later.
        if self.reserve.groups().is_err() {
            self.refill();
        }
        helper.listen().await;
        Cause::Ended
    }

    fn ground(&self) -> &Arc<Ground> {
        &self.spec.boundary.ground
    }

    /// What the helper says that it put in force; it does not run a command with less than the
    /// tier promises, also when it was killed before it could tell.
    fn confinement(&self, helper: &Helper) -> Confinement {
        let report = helper.report();
        let (layers, unpinned) = report
            .map(|report| (report.layers, report.unpinned))
            .unzip();
        Confinement {
            tier: self.tier,
            layers: layers.unwrap_or_default(),
            unpinned: [
                self.spec.boundary.loose.clone(),
                unpinned.unwrap_or_default(),
            ]
            .concat(),
        }
    }

    /// A helper, and what to tell it first.
    fn prepare(&mut self) -> Result<(Helper, Vec<u8>), RunError> {
        let cwd = match &self.spec.cwd {
            WorkingDirectory::Given(directory) => {
                let place = Place::of(directory);
                Some(place.map_err(|source| RunError::Directory { source })?)
            }
            WorkingDirectory::Temporary => None,
        };
        let boundary = &mut self.spec.boundary;
        let request = Request {
            program: self.spec.program.clone(),
            args: std::mem::take(&mut self.spec.args),
            cwd,
            roots: std::mem::take(&mut boundary.roots),
            guarded: std::mem::take(&mut boundary.guarded),
            limits: boundary.limits,
            environment_bytes: wire::environment_length(&self.spec.environment),
            stdin_bytes: self.spec.stdin.len(),
        };
        let frame = wire::encode(&request).map_err(|source| RunError::Execute {
            program: request.program,
            source,
        })?;
        let helper = self
            .reserve
            .take(self.tier, &self.spec.boundary)
            .map_err(|source| RunError::Launch { source })?;
        Ok((helper, frame))
    }

    /// The command's status, from the report or from the helper's own end.
    fn status(&self, helper: &Helper, exit: Option<HelperExit>) -> Result<Status, RunError> {
        match (helper.report().map(|report| report.ending), exit) {
            (Some(Ending::Exited(code)), _) => Ok(Status::Exited(code)),
            (Some(Ending::Signaled(signal)), _) => Ok(Status::Signaled(signal)),
            (
                Some(Ending::Failed {
                    stage: Stage::Execute,
                    errno,
                }),
                _,
            ) => {
                let program = self.spec.program.clone();
                Err(RunError::Execute {
                    program,
                    source: io::Error::from_raw_os_error(errno),
                })
            }
            (
                Some(Ending::Failed {
                    stage: Stage::Directory,
                    errno,
                }),
                _,
            ) => Err(RunError::Directory {
                source: io::Error::from_raw_os_error(errno),
            }),
            (Some(Ending::Failed { stage, errno }), _) => Err(RunError::Helper {
                stage,
                source: io::Error::from_raw_os_error(errno),
            }),
            (None, Some(HelperExit::Killed)) => Ok(Status::Signaled(Signal::KILL.as_raw())),
            (None, Some(HelperExit::Exited) | None) => Err(RunError::NoReport),
        }
    }
}
