//! From a configuration to a policy, at start and whenever the configuration changes.

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use mcp_audit::Audit;
use mcp_metrics::{Recorder, Reload};
use mcp_ratelimit::Limiter;
use mcp_sandbox::{Runner, SandboxConfig};
use mcp_security::files::Digest;
use mcp_security::paths::{Surroundings, home_directories};
use mcp_serve::Occasion;
use mcp_toolcall::{Pipeline, Policy, ReplyCache};
use serde_json::{Map, Value};

use crate::Config;
use crate::announcer::Announcer;
use crate::enclosure::Enclosure;
use crate::host::Host;
use crate::own::OwnFiles;
use crate::server::{BuildError, Start};
use crate::tools::{self, Parts};

/// Sections that a running server takes over when they change; the others need a restart.
const LIVE: [&str; 8] = [
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

/// Reads the configuration anew.
pub type Load = dyn Fn() -> Result<Config, Box<dyn Error + Send + Sync>> + Send + Sync;

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

/// How the configuration on disk stands to what is in force. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Standing(Arc<ArcSwap<Freshness>>);

/// How the configuration on disk stands to what is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Freshness {
    /// It is in force.
    #[default]
    Current,
    /// Its policy is in force; these sections need a restart.
    NeedsRestart(Vec<String>),
    /// It cannot be used, so the policy before it is in force.
    Refused,
}

impl Standing {
    /// How it is now.
    pub fn now(&self) -> Arc<Freshness> {
        self.0.load_full()
    }

    fn set(&self, freshness: Freshness) {
        self.0.store(Arc::new(freshness));
    }
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
    Sections::of(config).version(start)
}

/// A configuration by its sections, each as JSON: what versions and changes are told by.
#[derive(Debug)]
pub(crate) struct Sections(Map<String, Value>);

impl Sections {
    pub(crate) fn of(config: &Config) -> Self {
        Self(match serde_json::to_value(config) {
            Ok(Value::Object(sections)) => sections,
            Ok(_) | Err(_) => Map::new(),
        })
    }

    pub(crate) fn version(&self, start: &Start) -> String {
        let live = self.0.iter().filter(|(name, _)| is_live(name));
        let mut decisive: Map<String, Value> = live
            .map(|(name, section)| (name.clone(), section.clone()))
            .collect();
        // Roots may be relative, and the default root is where the server was started.
        let place = start.working_directory.to_string_lossy().into_owned();
        decisive.insert("working_directory".to_owned(), place.into());
        // The built-in rules come with the program.
        decisive.insert("program".to_owned(), env!("CARGO_PKG_VERSION").into());
        let mut canonical = Value::Object(decisive);
        canonical.sort_all_objects();
        let mut version = Digest::of(canonical.to_string().as_bytes()).to_string();
        version.truncate(VERSION_DIGITS);
        version
    }

    /// The sections that a server started with `before` does not take over while it runs.
    fn that_need_restart(&self, before: &Self) -> Vec<String> {
        let changed = |(name, section): &(&String, &Value)| {
            !is_live(name) && before.0.get(*name) != Some(section)
        };
        let names = self.0.iter().filter(changed);
        names.map(|(name, _)| name.clone()).collect()
    }
}

fn is_live(section: &str) -> bool {
    LIVE.contains(&section)
}

/// Puts changed configurations in force.
pub(crate) struct Renewal {
    pub(crate) lasting: Arc<Lasting>,
    pub(crate) pipeline: Arc<Pipeline>,
    /// The configuration that the server was started with.
    pub(crate) started_with: Sections,
    pub(crate) load: Box<Load>,
}

impl Renewal {
    /// Reads the configuration and puts its policy in force as a whole, or leaves all as it is.
    pub(crate) fn renew(&self, occasion: Occasion) {
        match self.try_renew(occasion) {
            Ok(outcome) => mcp_metrics::policy_reload(outcome),
            Err(error) => {
                mcp_metrics::policy_reload(Reload::Refused);
                self.lasting.standing.set(Freshness::Refused);
                let in_force = &*self.pipeline.policy().version;
                let error = &*error;
                tracing::error!(
                    error,
                    in_force,
                    "the configuration is refused; nothing changed"
                );
            }
        }
    }

    fn try_renew(&self, occasion: Occasion) -> Result<Reload, Box<dyn Error + Send + Sync>> {
        let config = (self.load)()?;
        let before = self.pipeline.policy();
        let sections = Sections::of(&config);
        let restart = sections.that_need_restart(&self.started_with);
        let version = sections.version(&self.lasting.start);
        let is_same = *before.version == version;
        // Asked for, equal policies are built anew: roots are opened and files read again.
        let made = if is_same && occasion == Occasion::FileChanged {
            None
        } else {
            Some(self.lasting.policy(config, version.into(), Some(&before))?)
        };
        // First, so that whoever sees the new policy sees how the file stands to it.
        if restart.is_empty() {
            self.lasting.standing.set(Freshness::Current);
        } else {
            tracing::warn!(sections = restart.join(", "), "changes need a restart");
            self.lasting.standing.set(Freshness::NeedsRestart(restart));
        }
        let Some(made) = made else {
            return Ok(Reload::Unchanged);
        };
        let Made {
            policy,
            runner,
            enclosure,
        } = made;
        let version = Arc::clone(&policy.version);
        self.pipeline.replace(policy);
        mcp_metrics::policy_in_force(&version);
        tracing::info!(
            version = &*version,
            before = &*before.version,
            "policy in force"
        );
        self.lasting.announcer.look(runner, enclosure);
        Ok(Reload::Applied)
    }
}
