//! From a configuration to a policy, at start and whenever the configuration changes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use mcp_audit::Audit;
use mcp_metrics::Recorder;
use mcp_ratelimit::Limiter;
use mcp_sandbox::{Runner, SandboxConfig};
use mcp_security::files::Digest;
use mcp_security::paths::{Surroundings, home_directories};
use mcp_serve::{Policies, Refusal, Sections, Standing};
use mcp_toolcall::{Policy, ReplyCache};

use crate::Config;
use crate::announcer::Announcer;
use crate::enclosure::Enclosure;
use crate::host::Host;
use crate::own::OwnFiles;
use crate::server::{BuildError, Start};
use crate::tools::{self, Parts};

/// Sections that a running server takes over when they change; the others need a restart.
pub(crate) const LIVE: [&str; 8] = [
    "commands",
    "egress",
    "environment",
    "files",
    "processes",
    "rate",
    "sandbox",
    "scrape",
];
/// Hexadecimal digits of a policy's version.
const VERSION_DIGITS: usize = 12;

/// What stays when the policy changes.
#[derive(Debug)]
pub(crate) struct Lasting {
    pub(crate) start: Start,
    /// What no call may reach.
    pub(crate) own: OwnFiles,
    pub(crate) host: Host,
    pub(crate) recorder: Recorder,
    pub(crate) audit: Audit,
    pub(crate) replies: ReplyCache,
    pub(crate) started: Instant,
    pub(crate) standing: Standing,
    /// The newest.
    pub(crate) runner: Mutex<Option<Runner>>,
    pub(crate) announcer: Announcer,
}

/// A policy, and what holds its commands.
pub(crate) struct Made {
    pub(crate) policy: Policy,
    pub(crate) runner: Runner,
    pub(crate) enclosure: Enclosure,
}

impl Lasting {
    /// The policy that the configuration of that version asks for.
    pub(crate) fn policy(
        &self,
        mut config: Config,
        version: Arc<str>,
        before: Option<&Policy>,
    ) -> Result<Made, BuildError> {
        config.files.extra_protected.extend(self.own.rules());
        let environment = &self.start.environment;
        let home = environment.iter().find(|(name, _)| name == "HOME");
        let homes = home_directories(&self.start.passwd, home.map(|(_, home)| home.as_os_str()));
        let around = Surroundings {
            working_directory: &self.start.working_directory,
            homes: &homes,
        };
        let limiter = match before.map(|before| &before.limiter) {
            Some(limiter) if *limiter.config() == config.rate => Arc::clone(limiter),
            _ => Arc::new(Limiter::build(&config.rate)),
        };
        let roots = config.files.build(&around)?;
        let commands = config.commands.build(environment.clone())?;
        let egress = config.egress.build()?;
        let processes = config.processes.build()?;
        let names = config.environment.build()?;
        // Last of what may fail, because it changes the bound for the policy in force too.
        let runner = self.runner(&config.sandbox)?;
        let home = home.map(|(_, home)| Path::new(home));
        let enclosure = Enclosure::new(&config.sandbox, &roots, home);
        let catalog = tools::catalog(Parts {
            roots,
            enclosure: enclosure.clone(),
            commands,
            runner: runner.clone(),
            egress,
            processes,
            environment: names,
            variables: environment.iter().cloned().collect(),
            scrape: config.scrape,
            policy: Arc::clone(&version),
            lasting: self,
        });
        let policy = Policy {
            version,
            catalog,
            limiter,
        };
        Ok(Made {
            policy,
            runner,
            enclosure,
        })
    }

    /// The runner that follows the one in force, if there is one.
    fn runner(&self, config: &SandboxConfig) -> Result<Runner, BuildError> {
        let mut newest = self.runner.lock().unwrap_or_else(PoisonError::into_inner);
        let runner = match &*newest {
            Some(before) => before.renewed(config),
            None => Runner::build(config)?,
        };
        Ok(newest.insert(runner).clone())
    }
}

/// A short hash of all that decides about calls: equal versions are equal policies.
pub fn version(config: &Config, start: &Start) -> String {
    version_of(&Sections::of(config, &LIVE), start)
}

pub(crate) fn version_of(sections: &Sections, start: &Start) -> String {
    // The built-in rules come with the program. Roots may be relative, and the default root is where
    // the server was started.
    let (live, program) = (sections.live(), env!("CARGO_PKG_VERSION"));
    let place = start.working_directory.to_string_lossy();
    let decisive = format!("{live}\n{program}\n{place}");
    let mut version = Digest::of(decisive.as_bytes()).to_string();
    version.truncate(VERSION_DIGITS);
    version
}

impl Policies for Lasting {
    type Config = Config;
    type Rest = (Runner, Enclosure);
    const LIVE: &'static [&'static str] = &LIVE;

    fn version(&self, sections: &Sections) -> String {
        version_of(sections, &self.start)
    }

    fn make(
        &self,
        config: Config,
        version: Arc<str>,
        before: &Policy,
    ) -> Result<(Policy, Self::Rest), Refusal> {
        let made = self.policy(config, version, Some(before))?;
        Ok((made.policy, (made.runner, made.enclosure)))
    }

    fn in_force(&self, (runner, enclosure): Self::Rest) {
        self.announcer.look(runner, enclosure);
    }
}
