//! How a configuration that was read again stands to the one in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mcp_toolcall::operations::Check;
use serde::Serialize;
use serde_json::{Map, Value};

/// A configuration by its sections, each as JSON: what versions and changes are told by.
#[derive(Debug)]
pub struct Sections {
    all: Map<String, Value>,
    /// Names of those that a running server takes over when they change.
    live: &'static [&'static str],
}

impl Sections {
    /// Those of `config`; a running server takes over the ones that are `live`.
    pub fn of(config: &impl Serialize, live: &'static [&'static str]) -> Self {
        let mut all = match serde_json::to_value(config) {
            Ok(Value::Object(sections)) => sections,
            Ok(_) | Err(_) => Map::new(),
        };
        all.sort_keys();
        all.values_mut().for_each(Value::sort_all_objects);
        Self { all, live }
    }

    /// What a running server takes over, as JSON that is the same for equal configurations.
    pub fn live(&self) -> String {
        let live = self.all.iter().filter(|(name, _)| self.is_live(name));
        let live: BTreeMap<&String, &Value> = live.collect();
        serde_json::to_string(&live).unwrap_or_default()
    }

    /// The sections that a server started with `before` does not take over while it runs.
    pub fn that_need_restart(&self, before: &Self) -> Vec<String> {
        let changed = |(name, section): &(&String, &Value)| {
            !self.is_live(name) && before.all.get(*name) != Some(section)
        };
        let names = self.all.iter().filter(changed);
        names.map(|(name, _)| name.clone()).collect()
    }

    fn is_live(&self, section: &str) -> bool {
        self.live.contains(&section)
    }
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

    pub(crate) fn set(&self, freshness: Freshness) {
        self.0.store(Arc::new(freshness));
    }

    /// What `health_check` says of it and of the version in force.
    pub fn check(&self, version: &str) -> Check {
        match &*self.now() {
            Freshness::Current => Check::new("policy", true, format!("version {version}")),
            Freshness::NeedsRestart(sections) => {
                let sections = sections.join(", ");
                let detail = format!("version {version}; changed, and needs a restart: {sections}");
                Check::new("policy", false, detail)
            }
            Freshness::Refused => {
                let detail = format!(
                    "version {version}; the configuration was changed and cannot be used, so that \
                     this version stays in force; the log says why"
                );
                Check::new("policy", false, detail)
            }
        }
    }
}
