//! The helper: the server's own binary, executed again to hold one command.
//!
//! It is started with the control socket as standard input, the command's pipes as standard
//! output and error, and nothing else: no environment, no other descriptor. It lays out all that
//! does not depend on the command, reads what to run, starts that and waits for the first of two
//! events: the command ends, or the control socket says *stop* (the call timed out, was cancelled,
//! or the server died). Either way every descendant is killed before the helper reports and exits.
//!
//! In the strict tier it has two stages: `outer` makes the namespaces, the second stage is their
//! init. Capabilities, Landlock and seccomp belong to threads, so the command is started from a
//! thread that has given everything up, while the first thread stays able to clean up.
#![expect(
    clippy::disallowed_methods,
    reason = "the helper is what starts commands"
)]

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, Mode, OFlags, ResolveFlags, memfd_create, open};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, Signal, chdir, fchdir, getpid, getrlimit,
    pidfd_open, set_child_subreaper, set_dumpable_behavior, set_parent_process_death_signal,
    setrlimit, setsid,
};
use rustix::thread::set_no_new_privs;
use serde::de::DeserializeOwned;

use crate::boundary::{Ground, Place};
use crate::cgroup;
use crate::config::Limits;
use crate::reap::{self, Remains};
use crate::tier::{Layer, Tier};
use crate::wire::{self, Ending, PREFIX, Report, Request, Stage};
use stand::{Stand, Walls};

mod capabilities;
mod filter;
mod guards;
mod loopback;
mod mounts;
mod outer;
mod private_root;
mod rights;
mod stand;

/// First argument that makes the server's binary a helper.
pub const HELPER_ARG: &str = "sandbox-exec";

/// How long descendants are hunted; the server gives up on the helper before.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a helper is to be: its second argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Of the tier `none`.
    Plain,
    /// Of the tier `landlock`.
    Landlock,
    /// The first stage of the tier `strict`.
    Outer,
    /// The second stage of the tier `strict`.
    Inside,
}

impl Role {
    const ALL: [Self; 4] = [Self::Plain, Self::Landlock, Self::Outer, Self::Inside];

    /// The role that a helper of this tier starts in.
    pub(crate) fn of(tier: Tier) -> Self {
        match tier {
            Tier::None => Self::Plain,
            Tier::Landlock => Self::Landlock,
            Tier::Strict => Self::Outer,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Landlock => "landlock",
            Self::Outer => "strict",
            Self::Inside => "inside",
        }
    }
}

/// Entry point of the helper.
///
/// A server's `main` calls it first of all when its first argument is [`HELPER_ARG`]: before
/// arguments are parsed, threads started or anything is opened. Fails when the report cannot be
/// delivered or a descendant is left; the server then looks after the rest.
pub fn main() -> ExitCode {
    let word = std::env::args_os().nth(2);
    let role = Role::ALL
        .into_iter()
        .find(|role| word.as_deref() == Some(role.as_str().as_ref()));
    let served = close_inherited().and_then(|()| {
        // Before any other process is made, and before the namespaces hide where it is.
        let group = cgroup::enter(std::env::args_os().skip(3));
        match role {
            Some(Role::Outer) => Ok(outer::main(group)),
            Some(Role::Inside) => serve(Tier::Strict, group),
            Some(Role::Landlock) => serve(Tier::Landlock, group),
            Some(Role::Plain) => serve(Tier::None, group),
            None => Err(io::ErrorKind::InvalidInput.into()),
        }
    });
    served.unwrap_or(ExitCode::FAILURE)
}

fn serve(tier: Tier, group: Option<Layer>) -> io::Result<ExitCode> {
    let mut control = UnixStream::from(rustix::stdio::stdin().try_clone_to_owned()?);
    let report = hold(&mut control, tier, group).unwrap_or_else(|failure| failed(&failure));
    control.write_all(&wire::encode(&report)?)?;
    Ok(match report.remains {
        Remains::Nothing => ExitCode::SUCCESS,
        Remains::Some => ExitCode::FAILURE,
    })
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

/// The report of a helper that ran nothing.
fn failed(Failure { stage, source }: &Failure) -> Report {
    let errno = source.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error());
    Report {
        ending: Ending::Failed {
            stage: *stage,
            errno,
        },
        remains: Remains::Nothing,
        layers: Vec::new(),
        unpinned: Vec::new(),
    }
}

fn hold(control: &mut UnixStream, tier: Tier, group: Option<Layer>) -> Result<Report, Failure> {
    if tier == Tier::Strict {
        // The first stage is the only one to die before; the control socket tells of the server.
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|error| Stage::Isolate.failed(error))?;
    }
    isolate().map_err(|error| Stage::Isolate.failed(error))?;
    let ground: Ground = receive(control).map_err(|error| Stage::Request.failed(error))?;
    let stand = Stand::prepare(tier, &ground, &*control)?;
    let request: Request = receive(control).map_err(|error| Stage::Request.failed(error))?;
    let environment = read_block(control, request.environment_bytes)
        .map_err(|error| Stage::Request.failed(error))?;
    let stdin =
        standard_input(control, request.stdin_bytes).map_err(|error| Stage::Stdin.failed(error))?;
    let (mut held, walls) = stand.open(&ground, &request.roots, request.guarded)?;
    enter(request.cwd.as_ref(), held.temporary())
        .map_err(|error| Stage::Directory.failed(error))?;
    // After standard input, which may be larger than the command may write.
    limit(&request.limits, tier).map_err(|error| Stage::Limits.failed(error))?;
    let mut command = Command::new(&request.program);
    command
        .args(&request.args)
        .env_clear()
        .envs(wire::decode_environment(&environment))
        .envs(held.variables())
        .stdin(stdin)
        .process_group(0);
    let (child, mut layers) = start(command, walls)?;
    layers.extend(group);
    let leader = Pid::from_child(&child);
    // The pipes are the command's alone: they end when its last process does.
    let silence = null().and_then(|null| release_pipes(&null));
    let watched = wait_for_end(control, leader);
    // The leader is a zombie or alive, never reaped, so its number is still its own.
    let (status, remains) = reap::end_family(leader, PATIENCE);
    let unpinned = held.unpinned();
    drop(held);
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
    Ok(Report {
        ending,
        remains,
        layers,
        unpinned,
    })
}

/// Starts the command from a thread that has put up the walls around itself.
fn start(mut command: Command, walls: Walls) -> Result<(Child, Vec<Layer>), Failure> {
    let confined = thread::spawn(move || {
        let layers = walls.put_up()?;
        let child = command
            .spawn()
            .map_err(|error| Stage::Execute.failed(error))?;
        Ok((child, layers))
    });
    let gone = || Stage::Execute.failed(io::ErrorKind::Other);
    confined.join().map_err(|_| gone())?
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

fn receive<T: DeserializeOwned>(control: &mut UnixStream) -> io::Result<T> {
    let mut prefix = [0; PREFIX];
    control.read_exact(&mut prefix)?;
    let body = read_block(control, wire::frame_length(prefix)?)?;
    Ok(serde_json::from_slice(&body)?)
}

fn read_block(control: &mut UnixStream, length: usize) -> io::Result<Vec<u8>> {
    if length > wire::MAX_FRAME {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut block = vec![0; length];
    control.read_exact(&mut block)?;
    Ok(block)
}

/// Enters the directory that was judged, not another that has its name now.
fn enter(place: Option<&Place>, temporary: &Path) -> io::Result<()> {
    let Some(place) = place else {
        return Ok(chdir(temporary)?);
    };
    let top = open("/", mounts::DIRECTORY, Mode::empty())?;
    let directory = mounts::find(
        top,
        &place.path,
        mounts::DIRECTORY,
        ResolveFlags::NO_SYMLINKS,
    )?;
    if !place.is(&rustix::fs::fstat(&directory)?) {
        return Err(Errno::STALE.into());
    }
    Ok(fchdir(directory)?)
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

fn limit(limits: &Limits, tier: Tier) -> rustix::io::Result<()> {
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    // Outside a user namespace the kernel counts all processes of the user, not the command's.
    let processes = match tier {
        Tier::Strict => limits.processes,
        Tier::Landlock | Tier::None => 0,
    };
    let wanted = [
        (Resource::Nofile, limits.open_files),
        (Resource::Fsize, limits.file_size_bytes),
        (Resource::Data, limits.memory_bytes),
        (Resource::Nproc, processes),
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

fn null() -> rustix::io::Result<OwnedFd> {
    open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
}

fn release_pipes(null: &OwnedFd) -> rustix::io::Result<()> {
    rustix::stdio::dup2_stdout(null)?;
    rustix::stdio::dup2_stderr(null)
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
