//! The helper: the server's own binary, executed again to hold one command.
//!
//! It is started with the control socket as standard input, the command's pipes as standard
//! output and error, and nothing else: no environment, no other descriptor. It confines itself,
//! reads what to run, starts that and waits for the first of two events: the command ends, or the
//! control socket says *stop* (the call timed out, was cancelled, or the server died). Either
//! way every descendant is killed before the helper reports and exits.
//!
//! It is single-threaded and quick to start on purpose: it is on the path of every command.
#![expect(
    clippy::disallowed_methods,
    reason = "the helper is what starts commands"
)]

use std::fs::{self, File};
use std::io::{self, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, chdir, fchdir, getpid, getrlimit,
    pidfd_open, set_child_subreaper, set_dumpable_behavior, setrlimit, setsid,
};
use rustix::thread::set_no_new_privs;

use crate::config::Limits;
use crate::reap::{self, Remains};
use crate::wire::{self, Ending, PREFIX, Report, Request, Stage};

/// First argument that makes the server's binary a helper.
pub const HELPER_ARG: &str = "sandbox-exec";

/// How long descendants are hunted; the server gives up on the helper before.
const PATIENCE: Duration = Duration::from_secs(5);

/// Entry point of the helper.
///
/// A server's `main` calls it first of all when its first argument is [`HELPER_ARG`]: before
/// arguments are parsed, threads started or anything is opened. Fails when the report cannot be
/// delivered or a descendant is left; the server then looks after the rest.
pub fn main() -> ExitCode {
    match serve() {
        Ok(Remains::Nothing) => ExitCode::SUCCESS,
        Ok(Remains::Some) | Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<Remains> {
    close_inherited()?;
    let mut control = UnixStream::from(rustix::stdio::stdin().try_clone_to_owned()?);
    let report = hold(&mut control).unwrap_or_else(|Failure { stage, source }| {
        let errno = source.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error());
        Report {
            ending: Ending::Failed { stage, errno },
            remains: Remains::Nothing,
        }
    });
    control.write_all(&wire::encode(&report)?)?;
    Ok(report.remains)
}

/// A step that failed.
struct Failure {
    stage: Stage,
    source: io::Error,
}

impl Stage {
    fn failed(self, source: impl Into<io::Error>) -> Failure {
        Failure {
            stage: self,
            source: source.into(),
        }
    }
}

fn hold(control: &mut UnixStream) -> Result<Report, Failure> {
    isolate().map_err(|error| Stage::Confine.failed(error))?;
    let (request, directory) = receive(control).map_err(|error| Stage::Request.failed(error))?;
    let environment = read_block(control, request.environment_bytes)
        .map_err(|error| Stage::Request.failed(error))?;
    enter(directory).map_err(|error| Stage::Directory.failed(error))?;
    let stdin =
        standard_input(control, request.stdin_bytes).map_err(|error| Stage::Stdin.failed(error))?;
    // After standard input, which may be larger than the command may write.
    limit(&request.limits).map_err(|error| Stage::Confine.failed(error))?;
    let child = Command::new(&request.program)
        .args(&request.args)
        .env_clear()
        .envs(wire::decode_environment(&environment))
        .stdin(stdin)
        .process_group(0)
        .spawn()
        .map_err(|error| Stage::Execute.failed(error))?;
    let leader = Pid::from_child(&child);
    // The pipes are the command's alone: they end when its last process does.
    let silence = release_pipes();
    let watched = wait_for_end(control, leader);
    // The leader is a zombie or alive, never reaped, so its number is still its own.
    let (status, remains) = reap::end_family(leader, PATIENCE);
    silence
        .and(watched)
        .map_err(|error| Stage::Watch.failed(error))?;
    let ending = match status.map(|status| (status.exit_status(), status.terminating_signal())) {
        Some((Some(code), _)) => Ending::Exited(code),
        Some((None, Some(signal))) => Ending::Signaled(signal),
        Some((None, None)) | None => Ending::Failed {
            stage: Stage::Watch,
            errno: Errno::TIMEDOUT.raw_os_error(),
        },
    };
    Ok(Report { ending, remains })
}

/// Closes what whoever started the server left open for its children.
fn close_inherited() -> io::Result<()> {
    const STANDARD: i32 = 2;
    let open: Vec<i32> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > STANDARD) {
        // The one that listed them is closed already. Nothing else here owns one yet.
        nix::unistd::close(descriptor).ok();
    }
    Ok(())
}

fn isolate() -> rustix::io::Result<()> {
    setsid()?;
    set_child_subreaper(Some(getpid()))?;
    // Keeps the command's processes from tracing the helper or taking its control socket.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    set_no_new_privs(true)
}

/// The request, and the directory that came with it.
fn receive(control: &mut UnixStream) -> io::Result<(Request, Option<OwnedFd>)> {
    let mut prefix = [0; PREFIX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
    let parts = &mut [IoSliceMut::new(&mut prefix)];
    if recvmsg(&*control, parts, &mut ancillary, flags)?.bytes < PREFIX {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut directory = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            directory = descriptors.next();
        }
    }
    let body = read_block(control, wire::frame_length(prefix)?)?;
    Ok((serde_json::from_slice(&body)?, directory))
}

fn read_block(control: &mut UnixStream, length: usize) -> io::Result<Vec<u8>> {
    if length > wire::MAX_FRAME {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut block = vec![0; length];
    control.read_exact(&mut block)?;
    Ok(block)
}

fn enter(directory: Option<OwnedFd>) -> rustix::io::Result<()> {
    match directory {
        Some(directory) => fchdir(directory),
        None => chdir("/tmp"),
    }
}

/// The command's standard input: nothing, or a file in memory that holds what the caller sent.
fn standard_input(control: &mut UnixStream, bytes: usize) -> io::Result<Stdio> {
    if bytes == 0 {
        return Ok(Stdio::null());
    }
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let mut file = File::from(memfd_create("stdin", MemfdFlags::CLOEXEC)?);
    if io::copy(&mut control.take(bytes), &mut file)? < bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.rewind()?;
    Ok(file.into())
}

fn limit(limits: &Limits) -> rustix::io::Result<()> {
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    let wanted = [
        (Resource::Nofile, limits.open_files),
        (Resource::Fsize, limits.file_size_bytes),
        (Resource::Data, limits.data_bytes),
        (Resource::Nproc, limits.processes),
        (Resource::Cpu, limits.cpu.as_secs()),
    ];
    for (resource, value) in wanted.into_iter().filter(|(_, value)| *value > 0) {
        let value = getrlimit(resource)
            .maximum
            .map_or(value, |maximum| value.min(maximum));
        setrlimit(
            resource,
            Rlimit {
                current: Some(value),
                maximum: Some(value),
            },
        )?;
    }
    Ok(())
}

fn release_pipes() -> rustix::io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)
}

/// Returns when the command ended or the server said stop.
fn wait_for_end(control: &UnixStream, leader: Pid) -> rustix::io::Result<()> {
    let ended = pidfd_open(leader, PidfdFlags::empty())?;
    let stop = PollFlags::IN | PollFlags::RDHUP;
    let mut events = [
        PollFd::from_borrowed_fd(control.as_fd(), stop),
        PollFd::new(&ended, PollFlags::IN),
    ];
    loop {
        match poll(&mut events, None) {
            Err(Errno::INTR) => {}
            result => return result.map(drop),
        }
    }
}
