//! Where a server is started: directories of its own, a clean environment and a user without
//! privileges.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

/// The user and group that servers run as when the tests run as root, for whom no permission
/// would be refused. Nobody's: no account needs to exist.
const USER: u32 = 61_234;

/// The file that `cargo xtask model` makes.
const MODEL: &str = "all-MiniLM-L6-v2.int8.safetensors";

/// Temporary directories and the user who owns them. Removed on drop.
#[derive(Debug)]
pub struct Stage {
    directory: TempDir,
    user: Option<u32>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let directory = TempDir::with_prefix("mcp-tests-").expect("a temporary directory");
        let user = rustix::process::geteuid().is_root().then_some(USER);
        let stage = Self { directory, user };
        stage.own(stage.directory.path());
        for name in ["root", "home", "home/config", "home/state", "home/tmp"] {
            stage.directory(name);
        }
        stage
    }

    /// The directory that calls may read and write.
    pub fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// A path below the stage, whether or not it exists.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes a directory that the server's user owns.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).expect("a directory on the stage");
        self.own(&path);
        path
    }

    /// Makes a file that the server's user owns.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("a file on the stage");
        self.own(&path);
        path
    }

    /// A program to be run by the server's user, in the root and with an environment of the stage
    /// alone.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(self.root()).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("HOME", self.path("home"));
        command.env("XDG_CONFIG_HOME", self.path("home/config"));
        command.env("XDG_STATE_HOME", self.path("home/state"));
        command.env("TMPDIR", self.path("home/tmp"));
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// The binary of a server, where its user can execute it.
    pub(crate) fn server(&self, name: &'static str) -> PathBuf {
        static COPIES: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
        let binary = binary(name);
        if self.user.is_none() || is_public(&binary) {
            return binary;
        }
        // Made before this process starts another, which would inherit the descriptor that writes
        // it, so that the copy could not be executed yet.
        let mut copies = COPIES.lock().unwrap_or_else(PoisonError::into_inner);
        let copy = copies.entry(name).or_insert_with(|| public_copy(&binary));
        copy.clone()
    }

    /// The embedding model, where the server's user can read it.
    pub(crate) fn model(&self) -> PathBuf {
        let model = profile().join("../model").join(MODEL);
        assert!(
            model.is_file(),
            "{} is missing: run `cargo xtask model`",
            model.display()
        );
        if self.user.is_none() || is_public(&model) {
            return model;
        }
        public_copy(&model)
    }

    /// Gives a path to the server's user.
    pub fn own(&self, path: &Path) {
        if let Some(user) = self.user {
            chown(path, Some(user), Some(user)).expect("root may give files away");
        }
    }
}

/// The binary that a variable such as `OMNIPOTENT_MCP_BIN` names, or else the one beside the test's own
/// executable.
fn binary(name: &str) -> PathBuf {
    let variable = format!("{}_BIN", name.to_uppercase().replace('-', "_"));
    if let Some(named) = env::var_os(&variable) {
        return named.into();
    }
    let binary = profile().join(name);
    assert!(
        binary.is_file(),
        "{} is missing: build it (`cargo build --profile ci`), run `cargo xtask test`, or name \
         another one in {variable}",
        binary.display()
    );
    binary
}

/// Where this test was built, and the servers.
fn profile() -> PathBuf {
    let own = env::current_exe().expect("the test knows its executable");
    let profile = own.parent().and_then(Path::parent);
    profile.expect("it is in the profile's `deps`").to_owned()
}

/// A copy that everybody may execute; one for each build, whoever makes it first.
fn public_copy(binary: &Path) -> PathBuf {
    let built = fs::metadata(binary).expect("the binary is there");
    let stem = binary.file_name().unwrap_or_default().to_string_lossy();
    let name = format!("mcp-tests-{stem}-{}-{}", built.mtime(), built.mtime_nsec());
    let copy = env::temp_dir().join(&name);
    if !copy.exists() {
        let draft = env::temp_dir().join(format!("{name}.{}", std::process::id()));
        fs::copy(binary, &draft).expect("a copy of the server");
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).expect("its mode");
        fs::rename(&draft, &copy).expect("the copy in its place");
    }
    copy
}

/// Whether everybody may execute the file and pass through the directories above it.
fn is_public(path: &Path) -> bool {
    let open =
        |path: &Path| fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o5 == 0o5);
    path.ancestors().all(open)
}
