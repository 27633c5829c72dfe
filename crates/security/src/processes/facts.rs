//! What `/proc` says of a process (`proc_pid_stat(5)`, `proc_pid_status(5)`).

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Dir, Mode, OFlags};
use rustix::io::Errno;

/// Clock ticks per second in `/proc`: fixed by the kernel's interface on x86-64.
pub const USER_HZ: u64 = 100;

/// Set in the flags of kernel threads (`PF_KTHREAD`, include/linux/sched.h).
const PF_KTHREAD: u64 = 0x0020_0000;

/// The longest `stat` and `status` read; both are below 2 KiB in practice.
const LONGEST_FILE_BYTES: usize = 4096;

/// What a process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the ones that ps and psutil use")]
pub enum ProcessState {
    Running,
    Sleeping,
    DiskSleep,
    Stopped,
    TracingStop,
    Zombie,
    Dead,
    Idle,
    Parked,
    Unknown,
}

impl ProcessState {
    /// The name in lower case, words joined by `-`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::DiskSleep => "disk-sleep",
            Self::Stopped => "stopped",
            Self::TracingStop => "tracing-stop",
            Self::Zombie => "zombie",
            Self::Dead => "dead",
            Self::Idle => "idle",
            Self::Parked => "parked",
            Self::Unknown => "unknown",
        }
    }

    fn from_letter(letter: &str) -> Self {
        match letter {
            "R" => Self::Running,
            "S" => Self::Sleeping,
            "D" => Self::DiskSleep,
            "T" => Self::Stopped,
            "t" => Self::TracingStop,
            "Z" => Self::Zombie,
            "X" | "x" => Self::Dead,
            "I" => Self::Idle,
            "P" => Self::Parked,
            _ => Self::Unknown,
        }
    }
}

/// The parts of `/proc/PID/stat` that the tools use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessStat {
    /// Its number.
    pub pid: u32,
    /// The number of its parent, 0 when it has none in this pid namespace.
    pub parent: u32,
    /// Its name; bytes that are not UTF-8 become U+FFFD.
    pub name: String,
    /// What it is doing.
    pub state: ProcessState,
    /// Whether it is a thread of the kernel.
    pub is_kernel_thread: bool,
    /// CPU time it has used, in [`USER_HZ`] ticks.
    pub cpu_ticks: u64,
    /// When it started, in [`USER_HZ`] ticks after boot. With the number it names a process for
    /// good.
    pub start_ticks: u64,
    /// Memory it holds, in pages of 4096 bytes.
    pub resident_pages: u64,
}

impl ProcessStat {
    /// Reads the file of one process.
    pub fn read(pid: u32) -> io::Result<Self> {
        let file = open(&format!("/proc/{pid}/stat"), OFlags::empty())?;
        let mut buffer = [0; LONGEST_FILE_BYTES];
        Self::parse(read(&file, &mut buffer)?).ok_or_else(malformed)
    }

    /// Reads the file's content. The name stands in parentheses and may hold any byte, so the
    /// fields are counted from the last closing one.
    fn parse(content: &[u8]) -> Option<Self> {
        let content = String::from_utf8_lossy(content);
        let (pid, rest) = content.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let mut fields = rest.split_ascii_whitespace();
        let state = ProcessState::from_letter(fields.next()?);
        let mut number = |skipped: usize| fields.nth(skipped)?.parse::<u64>().ok();
        // Numbers of proc_pid_stat(5): 4 ppid, 9 flags, 14 utime, 15 stime, 22 starttime, 24 rss.
        let parent = u32::try_from(number(0)?).ok()?;
        let flags = number(4)?;
        let cpu_ticks = number(4)?.saturating_add(number(0)?);
        let start_ticks = number(6)?;
        let resident_pages = number(1)?;
        Some(Self {
            pid: pid.parse().ok()?,
            parent,
            name: name.to_owned(),
            state,
            is_kernel_thread: flags & PF_KTHREAD != 0,
            cpu_ticks,
            start_ticks,
            resident_pages,
        })
    }
}

/// The parts of `/proc/PID/status` that the tools use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessStatus {
    /// The process that the number belongs to; differs from the number for a thread.
    pub leader: u32,
    /// The user who started it.
    pub real_user: u32,
    /// The user whose rights it uses.
    pub effective_user: u32,
    /// The user whose rights it can take back.
    pub saved_user: u32,
}

impl ProcessStatus {
    /// Reads the file of one process.
    pub fn read(pid: u32) -> io::Result<Self> {
        let file = open(&format!("/proc/{pid}/status"), OFlags::empty())?;
        let mut buffer = [0; LONGEST_FILE_BYTES];
        Self::parse(read(&file, &mut buffer)?).ok_or_else(malformed)
    }

    /// The name stands in a line of its own with its line feeds escaped, so it cannot forge one.
    fn parse(content: &[u8]) -> Option<Self> {
        let content = String::from_utf8_lossy(content);
        let field = |name: &str| content.lines().find_map(|line| line.strip_prefix(name));
        let leader = field("Tgid:")?.trim().parse().ok()?;
        let mut users = field("Uid:")?
            .split_ascii_whitespace()
            .map(str::parse::<u32>);
        let mut user = || users.next()?.ok();
        Some(Self {
            leader,
            real_user: user()?,
            effective_user: user()?,
            saved_user: user()?,
        })
    }

    /// Every user whose rights it has or can have.
    pub(super) fn users(&self) -> [u32; 3] {
        [self.real_user, self.effective_user, self.saved_user]
    }
}

/// All that a process is judged by.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) stat: ProcessStat,
    pub(super) status: ProcessStatus,
    /// File name of the program, when this process may see it.
    pub(super) program: Option<String>,
}

impl Facts {
    pub(super) fn read(pid: u32) -> io::Result<Self> {
        let link = rustix::fs::readlink(format!("/proc/{pid}/exe"), Vec::new()).ok();
        let program = link.and_then(|link| {
            let path = String::from_utf8_lossy(link.as_bytes()).into_owned();
            let path = path.strip_suffix(" (deleted)").unwrap_or(&path);
            path.rsplit('/').next().map(str::to_owned)
        });
        Ok(Self {
            stat: ProcessStat::read(pid)?,
            status: ProcessStatus::read(pid)?,
            program,
        })
    }
}

/// Every process of this pid namespace, in the kernel's order. Processes that end meanwhile are
/// left out.
pub fn scan() -> io::Result<Vec<ProcessStat>> {
    let proc = open("/proc", OFlags::DIRECTORY)?;
    let mut processes = Vec::with_capacity(256);
    let mut path = String::with_capacity(16);
    let mut buffer = [0; LONGEST_FILE_BYTES];
    for entry in Dir::read_from(&proc)? {
        let entry = entry?;
        let Some(number) = process_number(entry.file_name()) else {
            continue;
        };
        path.clear();
        path.push_str(number);
        path.push_str("/stat");
        let file = rustix::fs::openat(&proc, path.as_str(), OFlags::CLOEXEC, Mode::empty());
        let content = match &file {
            Ok(file) => read(file, &mut buffer),
            Err(errno) => Err((*errno).into()),
        };
        match content {
            Ok(content) => processes.extend(ProcessStat::parse(content)),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(processes)
}

/// Whether the error says that the process is no more.
pub(super) fn is_gone(error: &io::Error) -> bool {
    [Errno::NOENT, Errno::SRCH]
        .iter()
        .any(|gone| error.raw_os_error() == Some(gone.raw_os_error()))
}

fn process_number(name: &CStr) -> Option<&str> {
    let name = name.to_str().ok()?;
    name.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(name)
}

fn open(path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(
        CWD,
        path,
        flags | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// Reads a file of `/proc` to its end or to the end of the buffer.
fn read<'a>(file: &OwnedFd, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut filled = 0;
    while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
        let length = rustix::io::retry_on_intr(|| rustix::io::read(file, &mut *free))?;
        if length == 0 {
            break;
        }
        filled += length;
    }
    Ok(buffer.get(..filled).unwrap_or_default())
}

fn malformed() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_that_look_like_fields() {
        let check = |line: &str, name: &str, parent: u32| {
            let stat = ProcessStat::parse(line.as_bytes()).unwrap();
            assert_eq!((stat.name.as_str(), stat.parent), (name, parent), "{line}");
            assert_eq!(
                (stat.cpu_ticks, stat.start_ticks, stat.resident_pages),
                (12, 777, 42)
            );
        };
        let fields = "7 7 7 0 -1 4194560 1 2 3 4 5 7 0 0 20 0 1 0 777 1024 42 1";
        check(&format!("12 (sleep) S {fields}"), "sleep", 7);
        check(&format!("12 (a) R 1 (b) S {fields}"), "a) R 1 (b", 7);
        check(&format!("12 () S {fields}"), "", 7);
    }

    #[test]
    fn refuses_cut_and_malformed_files() {
        for line in [
            "",
            "12 (sleep",
            "12 (sleep) S 7",
            "x (a) S 7 7 0 -1 0 0 0 0 0 1 1",
        ] {
            assert_eq!(ProcessStat::parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(ProcessStatus::parse(b"Name:\tx\nTgid:\t12\n"), None);
    }

    #[test]
    fn finds_this_process_in_the_table() {
        let pid = std::process::id();
        let listed = scan()
            .unwrap()
            .into_iter()
            .find(|process| process.pid == pid)
            .unwrap();
        let read = ProcessStat::read(pid).unwrap();
        assert_eq!(
            (listed.name, listed.start_ticks),
            (read.name, read.start_ticks)
        );
        assert_eq!(ProcessStatus::read(pid).unwrap().leader, pid);
    }
}
