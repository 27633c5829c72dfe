//! Putting a changed configuration in force: as a whole, or not at all.

use std::error::Error;
use std::sync::Arc;

use mcp_metrics::Reload;
use mcp_toolcall::{Pipeline, Policy};
use serde::Serialize;

use crate::Occasion;
use crate::sections::{Freshness, Sections, Standing};

/// Why a configuration is refused.
pub type Refusal = Box<dyn Error + Send + Sync>;
/// Reads the configuration anew.
pub type Load<C> = dyn Fn() -> Result<C, Refusal> + Send + Sync;

/// A server whose policy follows its configuration.
pub trait Policies: Send + Sync {
    /// What is configured.
    type Config: Serialize;
    /// What belongs to a policy besides it.
    type Rest;
    /// Sections that a running server takes over when they change; the others need a restart.
    const LIVE: &'static [&'static str];

    /// A short hash of all that decides about calls: equal versions are equal policies.
    fn version(&self, sections: &Sections) -> String;

    /// The policy of that version. What fails leaves all as it was.
    ///
    /// # Errors
    /// Names the section that cannot be used.
    fn make(
        &self,
        config: Self::Config,
        version: Arc<str>,
        before: &Policy,
    ) -> Result<(Policy, Self::Rest), Refusal>;

    /// Told when the policy is in force.
    fn in_force(&self, rest: Self::Rest);
}

/// Puts changed configurations in force.
pub struct Renewal<P: Policies> {
    /// What makes policies.
    pub policies: P,
    /// Where they are in force.
    pub pipeline: Arc<Pipeline>,
    /// The configuration that the server was started with.
    pub started_with: Sections,
    /// Told how the configuration on disk stands.
    pub standing: Standing,
    /// Reads it.
    pub load: Box<Load<P::Config>>,
}

impl<P: Policies> Renewal<P> {
    /// Reads the configuration and puts its policy in force as a whole, or leaves all as it is.
    pub fn renew(&self, occasion: Occasion) {
        match self.try_renew(occasion) {
            Ok(outcome) => mcp_metrics::policy_reload(outcome),
            Err(error) => {
                mcp_metrics::policy_reload(Reload::Refused);
                self.standing.set(Freshness::Refused);
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

    fn try_renew(&self, occasion: Occasion) -> Result<Reload, Refusal> {
        let config = (self.load)()?;
        let before = self.pipeline.policy();
        let sections = Sections::of(&config, P::LIVE);
        let restart = sections.that_need_restart(&self.started_with);
        let version = self.policies.version(&sections);
        let is_same = *before.version == version;
        // Asked for, equal policies are built anew: roots are opened and files read again.
        let made = if is_same && occasion == Occasion::FileChanged {
            None
        } else {
            Some(self.policies.make(config, version.into(), &before)?)
        };
        // First, so that whoever sees the new policy sees how the file stands to it.
        if restart.is_empty() {
            self.standing.set(Freshness::Current);
        } else {
            tracing::warn!(sections = restart.join(", "), "changes need a restart");
            self.standing.set(Freshness::NeedsRestart(restart));
        }
        let Some((policy, rest)) = made else {
            return Ok(Reload::Unchanged);
        };
        let version = Arc::clone(&policy.version);
        self.pipeline.replace(policy);
        mcp_metrics::policy_in_force(&version);
        tracing::info!(
            version = &*version,
            before = &*before.version,
            "policy in force"
        );
        self.policies.in_force(rest);
        Ok(Reload::Applied)
    }
}
