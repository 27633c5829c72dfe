//! One command from start to burial, on the server's side.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::held::{Helper, HelperExit, Reserve};
use super::streams::Streams;
use super::{CONFINEMENT, CommandSpec, RunError, WorkingDirectory};
use crate::config::Limits;
use crate::outcome::{Outcome, Status};
use crate::wire::{self, Ending, Request, Stage};

/// How long output is waited for when something still holds the pipe after the helper is gone.
const PIPE_GRACE: Duration = Duration::from_millis(200);

/// Where the outcome of a command goes.
pub(super) type Answer = oneshot::Sender<Result<Outcome, RunError>>;

/// A command and what runs it.
pub(super) struct Supervision {
    pub(super) reserve: Arc<Reserve>,
    pub(super) limits: Limits,
    pub(super) spec: CommandSpec,
}

/// Why supervision came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The helper reported or is gone.
    Ended,
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
        let cwd = match &self.spec.cwd {
            WorkingDirectory::Given(directory) => Some(directory.as_fd()),
            WorkingDirectory::Temporary => None,
        };

        let mut readers = helper.read_into(&streams);
        let cause = tokio::select! {
            biased;
            () = answer.closed() => Cause::Dropped,
            () = helper.converse(&message, cwd) => Cause::Ended,
            () = sleep(self.spec.timeout) => Cause::TimedOut,
        };
        if cause != Cause::Ended {
            helper.stop().await;
        }
        let exit = if helper.left_nothing() {
            None
        } else {
            Some(helper.bury().await)
        };
        if cause != Cause::Dropped {
            // Late output of something that got away is not worth the wait; what was read stays.
            drop(
                timeout(PIPE_GRACE, async {
                    while readers.join_next().await.is_some() {}
                })
                .await,
            );
        }
        drop(readers);
        let outcome = self.status(&helper, exit).map(|status| Outcome {
            status,
            timed_out: cause == Cause::TimedOut,
            stdout: streams.stdout.take(),
            stderr: streams.stderr.take(),
            duration: started.elapsed(),
            confinement: CONFINEMENT,
        });
        drop(answer.send(outcome));
        if exit.is_none() {
            helper.bury().await;
        }
        self.reserve.refill();
    }

    /// A helper, and what to tell it first.
    fn prepare(&mut self) -> Result<(Helper, Vec<u8>), RunError> {
        let request = Request {
            program: self.spec.program.clone(),
            args: std::mem::take(&mut self.spec.args),
            limits: self.limits,
            environment_bytes: wire::environment_length(&self.spec.environment),
            stdin_bytes: self.spec.stdin.len(),
        };
        let frame = wire::encode(&request).map_err(|source| RunError::Execute {
            program: request.program,
            source,
        })?;
        let helper = self
            .reserve
            .take()
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
            (Some(Ending::Failed { stage, errno }), _) => Err(RunError::Helper {
                stage,
                source: io::Error::from_raw_os_error(errno),
            }),
            (None, Some(HelperExit::Killed)) => Ok(Status::Signaled(Signal::KILL.as_raw())),
            (None, Some(HelperExit::Exited) | None) => Err(RunError::NoReport),
        }
    }
}
