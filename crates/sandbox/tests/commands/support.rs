//! Commands to run, and a look at what they leave behind.
#![expect(clippy::unwrap_used, reason = "a test that cannot start has failed")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mcp_sandbox::{
    Access, Boundary, CommandSpec, Outcome, Place, Root, Runner, SandboxConfig, Tier,
    WorkingDirectory,
};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// The user that tests become when they are run as root, for whom no permission would be refused.
const USER: u32 = 61_235;

pub(crate) fn runner() -> Runner {
    runner_with(&SandboxConfig::default())
}

pub(crate) fn runner_with(config: &SandboxConfig) -> Runner {
    become_plain_user();
    Runner::with_helper(config, helper()).unwrap()
}

/// The binary of the helper, where everybody may execute it: one copy for each build.
pub(crate) fn helper() -> PathBuf {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    let copy = || {
        let binary = Path::new(env!("CARGO_BIN_EXE_sandbox-test-helper"));
        let built = fs::metadata(binary).unwrap();
        let name = format!("mcp-tests-helper-{}-{}", built.mtime(), built.mtime_nsec());
        let copy = std::env::temp_dir().join(&name);
        if !copy.exists() {
            let draft = std::env::temp_dir().join(format!("{name}.{}", std::process::id()));
            fs::copy(binary, &draft).unwrap();
            fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
            fs::rename(&draft, &copy).unwrap();
        }
        copy
    };
    COPY.get_or_init(copy).clone()
}

/// Drops root's rights from the calling thread and from those that it starts.
pub(crate) fn become_plain_user() {
    // Only root may be able to read where it was built.
    helper();
    if rustix::process::geteuid().is_root() {
        let (user, group) = (Uid::from_raw(USER), Gid::from_raw(USER));
        set_thread_groups(&[]).unwrap();
        set_thread_res_gid(group, group, group).unwrap();
        set_thread_res_uid(user, user, user).unwrap();
    }
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
        boundary: boundary(Tier::Strict),
        gateway: None,
    }
}

/// Nothing but the system, in exactly this tier.
pub(crate) fn boundary(tier: Tier) -> Boundary {
    let config = SandboxConfig {
        require: tier,
        prefer: tier,
        ..SandboxConfig::default()
    };
    Boundary::closed(&config, None)
}

/// A directory that a command may write, as its working directory too.
pub(crate) fn within(mut spec: CommandSpec, root: &Path) -> CommandSpec {
    spec.cwd = directory(root);
    spec.boundary.roots.push(open_root(root, Access::ReadWrite));
    spec
}

pub(crate) fn open_root(path: &Path, access: Access) -> Root {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let place = Place::of(open(path, flags, Mode::empty()).unwrap()).unwrap();
    Root { place, access }
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
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
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

/// The same command in another tier.
pub(crate) fn in_tier(tier: Tier, mut spec: CommandSpec) -> CommandSpec {
    let roots = std::mem::take(&mut spec.boundary.roots);
    spec.boundary = boundary(tier);
    spec.boundary.roots = roots;
    spec
}

/// What a command printed, on both streams.
pub(crate) fn printed(outcome: &Outcome) -> String {
    [&outcome.stdout, &outcome.stderr]
        .map(|stream| String::from_utf8_lossy(&stream.head).into_owned())
        .concat()
}
