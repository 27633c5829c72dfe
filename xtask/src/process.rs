//! Running other programs: with the terminal, for their output, or under a time limit.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

/// How often a child that is waited for is looked at.
const POLL: Duration = Duration::from_millis(20);
/// For a command that is only asked whether it works.
const QUESTION_LIMIT: Duration = Duration::from_mins(1);

/// Runs `command` with the terminal; a failure names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = describe(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start `{line}`"))?;
    require(status, &line)
}

/// Runs `command` and returns what it printed on stdout; stderr goes to the terminal.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = describe(command);
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start `{line}`"))?;
    require(output.status, &line)?;
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed no UTF-8"))
}

/// Whether `command` can be started and succeeds before it takes too long; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    run_within(command, QUESTION_LIMIT).is_ok()
}

/// Like [`output`], but without input and for at most `limit`.
pub(crate) fn output_within(command: &mut Command, limit: Duration) -> Result<String> {
    let line = describe(command);
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = Grouped::spawn(command)?;
    let stdout = child.child.stdout.take();
    let mut stdout = stdout.with_context(|| format!("`{line}` has no stdout"))?;
    let reading = thread::spawn(move || {
        let mut printed = String::new();
        stdout.read_to_string(&mut printed).map(|_| printed)
    });
    let waited = child.wait_for(&line, limit);
    // Whatever of its group still holds stdout open is killed, so the reading ends.
    drop(child);
    let printed = reading.join();
    waited?;
    let Ok(printed) = printed else {
        bail!("reading from `{line}` panicked");
    };
    printed.with_context(|| format!("cannot read what `{line}` printed"))
}

/// Runs `command` without input for at most `limit`; what it prints is appended to `log`.
/// At the limit it is killed together with the processes of its group.
pub(crate) fn run_logged(command: &mut Command, limit: Duration, log: &Path) -> Result<()> {
    let file = append_to(log)?;
    run_within(command.stdout(file.try_clone()?).stderr(file), limit)
}

/// Like [`run_logged`], but what the command prints on stdout is returned as well.
pub(crate) fn output_logged(command: &mut Command, limit: Duration, log: &Path) -> Result<String> {
    let path = log.with_extension("stdout");
    let stdout =
        File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let outcome = run_within(command.stdout(stdout).stderr(append_to(log)?), limit);
    let printed = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
    append_to(log)?.write_all(printed.as_bytes())?;
    outcome.map(|()| printed)
}

/// Like [`run`], but without input and for at most `limit`.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let line = describe(command);
    Grouped::spawn(command.stdin(Stdio::null()))?.wait_for(&line, limit)
}

/// Starts `command` without input; what it prints is appended to `log`.
pub(crate) fn start_logged(command: &mut Command, log: &Path) -> Result<Grouped> {
    let file = append_to(log)?;
    Grouped::spawn(
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file),
    )
}

fn append_to(log: &Path) -> Result<File> {
    let file = File::options().create(true).append(true).open(log);
    file.with_context(|| format!("cannot open {}", log.display()))
}

/// A child that leads its own process group; what is left of the group is killed on drop.
pub(crate) struct Grouped {
    child: Child,
    group: Pid,
}

impl Grouped {
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let line = describe(command);
        let child = command.process_group(0).spawn();
        let child = child.with_context(|| format!("cannot start `{line}`"))?;
        let group = Pid::from_child(&child);
        Ok(Self { child, group })
    }

    /// Waits until the child ends or `limit` has passed, which is `None`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(POLL);
        }
    }

    /// Wants success within `limit` of what `line` describes.
    fn wait_for(&mut self, line: &str, limit: Duration) -> Result<()> {
        match self.wait(limit)? {
            Some(status) => require(status, line),
            None => bail!("`{line}` was still running after {limit:?}"),
        }
    }

    /// Asks the group to end, gives it `grace`, then kills what is left.
    pub(crate) fn stop(mut self, grace: Duration) -> Result<Option<ExitStatus>> {
        self.signal(Signal::TERM);
        self.wait(grace)
    }

    /// A group that has already ended has nothing left to signal.
    fn signal(&self, signal: Signal) {
        match kill_process_group(self.group, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => eprintln!("xtask: cannot signal a process group: {error}"),
        }
    }
}

impl Drop for Grouped {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        drop(self.child.wait());
    }
}

fn require(status: ExitStatus, line: &str) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    bail!("`{line}` failed: {status}")
}

/// The program's base name and its arguments, cut to a line a person reads.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    let line = words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    match line.char_indices().nth(120) {
        Some((cut, _)) => format!("{}...", line.get(..cut).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn names_the_command_that_failed() {
        let error = run(&mut shell("exit 3")).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c exit 3` failed: exit status: 3");
    }

    #[test]
    fn reads_what_is_printed_until_the_limit() {
        let long = Duration::from_secs(30);
        let printed = output_within(&mut shell("head -c 200000 /dev/zero; sleep 60 &"), long);
        assert_eq!(printed.unwrap().len(), 200_000);
        assert!(output_within(&mut shell("exit 3"), long).is_err());
        assert!(succeeds(&mut shell("exit 0")) && !succeeds(&mut shell("exit 3")));

        let short = Duration::from_millis(100);
        let error = output_within(&mut shell("sleep 60 & wait"), short).unwrap_err();
        let expected = "`sh -c sleep 60 & wait` was still running after 100ms";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn kills_the_whole_group_at_the_limit() {
        let directory = std::env::temp_dir().join(format!("xtask-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let log = directory.join("log");
        let mut command = shell("sleep 60 & echo $!; wait");
        let error = run_logged(&mut command, Duration::from_millis(300), &log).unwrap_err();
        assert!(error.to_string().contains("still running"), "{error}");

        let sleeper = fs::read_to_string(&log).unwrap();
        let sleeper = Path::new("/proc").join(sleeper.trim()).join("exe");
        let deadline = Instant::now() + Duration::from_secs(5);
        while sleeper.exists() && Instant::now() < deadline {
            thread::yield_now();
        }
        assert!(!sleeper.exists());
        fs::remove_dir_all(&directory).unwrap();
    }
}
