//! A case's stage: what it says there is, made real.

use std::collections::BTreeMap;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use mcp_tests::{Setup, Stage, mark};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::case::{Case, Described, File, Owner, Props};
use crate::site::Site;
use crate::words::Words;

/// Everything of a case that is not the server.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) words: Words,
    pub(crate) sites: BTreeMap<String, Site>,
    pub(crate) sockets: BTreeMap<String, UnixListener>,
    pub(crate) processes: BTreeMap<String, Actor>,
}

/// A process on the stage; ended on drop.
#[derive(Debug)]
pub(crate) struct Actor(Child);

impl Actor {
    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.0
            .try_wait()
            .expect("a child can be waited for")
            .is_none()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Scene {
    /// Makes what `case` says there is on the stage of a server to be.
    pub(crate) fn set(case: &Case, stage: &Stage) -> Self {
        let mut words = Words::default();
        let path = |name| stage.path(name).display().to_string();
        words.define("stage", &path(""));
        words.define("root", &path("root"));
        words.define("mark", &mark());
        words.define("pid.test", &std::process::id().to_string());
        let bound: BTreeMap<_, _> = keyed(&case.stage.sites, |_| Site::bind());
        for (name, site) in &bound {
            words.define(&format!("port.{name}"), &site.port().to_string());
        }
        let processes = keyed(&case.stage.processes, |owner| Actor::start(stage, *owner));
        for (name, actor) in &processes {
            words.define(&format!("pid.{name}"), &actor.0.id().to_string());
        }
        for (name, text) in &case.words {
            words.define(name, text);
        }
        let props = &case.stage;
        furnish(props, stage, &words);
        let serve = |(name, site): (String, crate::site::Bound)| {
            let mut play = props.sites[&name].clone();
            play.head = words.put_in(&play.head);
            play.body = words.put_in(&play.body);
            (name, site.serve(play))
        };
        Self {
            sites: bound.into_iter().map(serve).collect(),
            sockets: sockets(props, stage, &words),
            processes,
            words,
        }
    }

    /// How the case's server is started on `setup`'s stage.
    pub(crate) fn start(&self, case: &Case, mut setup: Setup) -> Setup {
        let start = &case.server;
        if !start.configuration.is_empty() {
            setup = setup.configuration(&self.words.put_in(&start.configuration));
        }
        for argument in &start.arguments {
            setup = setup.arguments(&[&self.words.put_in(argument)]);
        }
        for (name, value) in &start.variables {
            setup = setup.variable(name, &self.words.put_in(value));
        }
        setup
    }

    /// A path as a case writes it: absolute, or relative to the stage.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.words.put_in("@{stage}")).join(self.words.put_in(name))
    }
}

impl Actor {
    fn start(stage: &Stage, owner: Owner) -> Self {
        let mut command = match owner {
            Owner::Server => stage.command("sleep"),
            Owner::Other => Command::new("sleep"),
        };
        Self(command.arg("600").spawn().expect("sleep(1)"))
    }
}

fn keyed<T, U>(from: &BTreeMap<String, T>, make: impl Fn(&T) -> U) -> BTreeMap<String, U> {
    from.iter()
        .map(|(name, value)| (name.clone(), make(value)))
        .collect()
}

/// Puts directories, files, links and pipes on the stage.
fn furnish(props: &Props, stage: &Stage, words: &Words) {
    for name in &props.directories {
        make_directories(stage, Path::new(&words.put_in(name)));
    }
    for (name, file) in &props.files {
        let name = make_parents(stage, words, name);
        match file {
            File::Text(text) => drop(stage.file(&name, words.put_in(text))),
            File::Described(file) => describe(stage, &name, file, words),
        }
    }
    for (name, target) in &props.links {
        let name = make_parents(stage, words, name);
        symlink(words.put_in(target), stage.path(&name)).expect("a link on the stage");
    }
    for (name, target) in &props.hard_links {
        let name = make_parents(stage, words, name);
        let target = stage.path(&words.put_in(target));
        fs::hard_link(target, stage.path(&name)).expect("a hard link on the stage");
    }
    for name in &props.pipes {
        let path = stage.path(&make_parents(stage, words, name));
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).expect("a pipe");
        stage.own(&path);
    }
}

fn describe(stage: &Stage, name: &str, file: &Described, words: &Words) {
    let mut content = words.put_in(&file.text).into_bytes();
    content.extend(&file.bytes);
    let path = match file.owner {
        Owner::Server => stage.file(name, content),
        Owner::Other => {
            let path = stage.path(name);
            fs::write(&path, content).expect("a file on the stage");
            path
        }
    };
    if file.hole_bytes > 0 {
        let open = fs::File::options()
            .write(true)
            .open(&path)
            .expect("the file");
        open.set_len(file.hole_bytes).expect("a hole");
    }
    if let Some(mode) = file.mode {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
    }
}

fn sockets(props: &Props, stage: &Stage, words: &Words) -> BTreeMap<String, UnixListener> {
    let listen = |name: &String| {
        let given = words.put_in(name);
        let listener = if let Some(name) = given.strip_prefix('@') {
            let address = SocketAddr::from_abstract_name(name).expect("an abstract name");
            UnixListener::bind_addr(&address)
        } else {
            let path = stage.path(&make_parents(stage, words, name));
            let listener = UnixListener::bind(&path);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("a mode");
            stage.own(&path);
            listener
        };
        (name.clone(), listener.expect("a listening socket"))
    };
    props.sockets.iter().map(listen).collect()
}

/// Makes the directories above `name`; returns the name with its placeholders put in.
fn make_parents(stage: &Stage, words: &Words, name: &str) -> String {
    let name = words.put_in(name);
    if let Some(parent) = Path::new(&name).parent() {
        make_directories(stage, parent);
    }
    name
}

fn make_directories(stage: &Stage, name: &Path) {
    let parents: Vec<_> = name.ancestors().collect();
    for parent in parents.into_iter().rev() {
        let text = parent.to_str().expect("a name that is text");
        if fs::symlink_metadata(stage.path(text)).is_err() {
            stage.directory(text);
        }
    }
}
