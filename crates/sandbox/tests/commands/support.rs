//! Commands to run, and a look at what they leave behind.
#![expect(clippy::unwrap_used, reason = "a test that cannot start has failed")]

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mcp_sandbox::{CommandSpec, Outcome, Runner, SandboxConfig, WorkingDirectory};
use rustix::fs::{Mode, OFlags, open};

pub(crate) fn runner() -> Runner {
    runner_with(&SandboxConfig::default())
}

pub(crate) fn runner_with(config: &SandboxConfig) -> Runner {
    Runner::with_helper(config, env!("CARGO_BIN_EXE_sandbox-test-helper").into()).unwrap()
}

pub(crate) async fn run(spec: CommandSpec) -> Outcome {
    runner().run(spec, drop).await.unwrap()
}

pub(crate) fn sh(script: &str) -> CommandSpec {
    spec("/bin/sh", &["-c", script])
}

pub(crate) fn spec(program: &str, args: &[&str]) -> CommandSpec {
    CommandSpec {
        program: program.to_owned(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        cwd: WorkingDirectory::Temporary,
        stdin: Vec::new(),
        timeout: Duration::from_secs(20),
        output_cap_bytes: 64 * 1024,
    }
}

pub(crate) fn directory(path: &Path) -> WorkingDirectory {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    WorkingDirectory::Given(open(path, flags, Mode::empty()).unwrap())
}

/// A number of seconds that no other test sleeps for, to recognise processes by.
pub(crate) fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}.{next:03}", 100_000 + std::process::id())
}

/// Running processes with `mark` among their arguments.
pub(crate) fn alive_with(mark: &str) -> Vec<i32> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(mark)
        })
        .collect()
}

pub(crate) fn gone(mark: &str) -> bool {
    alive_with(mark).is_empty()
}

/// Whether `condition` comes true within ten seconds.
pub(crate) async fn until(condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}
