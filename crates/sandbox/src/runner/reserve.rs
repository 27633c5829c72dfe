//! Where helpers come from, each with a control group if there can be one.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::held::Helper;
use crate::boundary::Boundary;
use crate::cgroup::{self, Groups, Leaf, NoCgroups};
use crate::config::Limits;
use crate::tier::Tier;

/// Where helpers come from. After each command one is started for the next, because loading the
/// server's binary takes longer than most commands; it waits without a timer and ends with us.
#[derive(Debug)]
pub(super) struct Reserve {
    binary: PathBuf,
    ready: Mutex<Option<Helper>>,
    /// Looked for when the first helper is started.
    groups: Arc<OnceLock<Result<Arc<Groups>, NoCgroups>>>,
}

impl Reserve {
    /// Helpers from `binary`, an absolute path. Nothing is started before the first is taken.
    pub(super) fn new(binary: PathBuf) -> Self {
        Self {
            binary,
            ready: Mutex::new(None),
            groups: Arc::default(),
        }
    }

    /// One without a helper in waiting, which makes its groups in the same place.
    pub(super) fn renewed(&self) -> Self {
        Self {
            binary: self.binary.clone(),
            ready: Mutex::new(None),
            groups: Arc::clone(&self.groups),
        }
    }

    /// Where helpers have groups of their own, if anywhere.
    pub(super) fn groups(&self) -> Result<&Arc<Groups>, &NoCgroups> {
        self.groups.get_or_init(Groups::find).as_ref()
    }

    /// Has groups made there from now on, unless a place was looked for already.
    pub(super) fn group_in(&self, groups: Arc<Groups>) {
        self.groups.set(Ok(groups)).ok();
    }

    /// A helper that waits for its command on this ground.
    pub(super) fn take(&self, tier: Tier, boundary: &Boundary) -> io::Result<Helper> {
        let ready = self
            .ready
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut helper) = ready
            && helper.stands_on(tier, &boundary.ground)
            && helper.is_limited(&boundary.limits)
            && helper.is_alive()
        {
            return Ok(helper);
        }
        self.launch(tier, boundary)
    }

    /// Starts a helper for the next command, unless one waits already.
    pub(super) fn refill(&self, tier: Tier, boundary: &Boundary) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.is_none() {
            // The next command tries again and reports the failure.
            *ready = self.launch(tier, boundary).ok();
        }
    }

    fn launch(&self, tier: Tier, boundary: &Boundary) -> io::Result<Helper> {
        let group = Group::make(self.groups().ok(), &boundary.limits);
        Helper::launch(&self.binary, tier, &boundary.ground, group)
    }
}

/// A leaf, and the limits that it was made with.
#[derive(Debug)]
pub(super) struct Group {
    leaf: Leaf,
    limits: Limits,
}

impl Group {
    /// A helper without one is held by the limits of each process.
    fn make(groups: Option<&Arc<Groups>>, limits: &Limits) -> Option<Self> {
        let leaf = groups?.leaf().map_err(|(_, error)| error);
        let leaf = leaf.and_then(|leaf| {
            leaf.group().limit(limits)?;
            Ok(leaf)
        });
        match leaf {
            Ok(leaf) => Some(Self {
                leaf,
                limits: *limits,
            }),
            Err(error) => {
                tracing::warn!(%error, "a command has no control group");
                None
            }
        }
    }

    /// As arguments of a helper that is to enter it.
    pub(super) fn words(&self) -> impl Iterator<Item = OsString> {
        self.leaf.group().words()
    }

    pub(super) fn has(&self, limits: &Limits) -> bool {
        self.limits == *limits
    }

    /// Where it is, for whoever kills what is in it.
    pub(super) fn place(&self) -> cgroup::Group {
        self.leaf.group().clone()
    }
}
