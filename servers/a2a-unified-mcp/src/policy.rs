//! The part of the configuration that a running server takes over: how often callers may call.

use std::sync::Arc;

use mcp_ratelimit::{Limiter, RateConfig};
use mcp_security::files::Digest;
use mcp_serve::{Policies, Refusal, Sections};
use mcp_toolcall::Policy;

use crate::Config;
use crate::tools::{self, Parts};

/// Sections that a running server takes over when they change; the others need a restart, because the
/// file, its searches and its vectors are set up once.
pub(crate) const LIVE: [&str; 1] = ["rate"];
/// Hexadecimal digits of a policy's version.
const VERSION_DIGITS: usize = 12;

/// Makes policies of the parts that stay.
#[derive(Debug)]
pub(crate) struct Lasting(pub(crate) Parts);

impl Lasting {
    /// The policy of that version.
    pub(crate) fn policy(
        &self,
        rate: &RateConfig,
        version: Arc<str>,
        before: Option<&Policy>,
    ) -> Policy {
        let limiter = match before.map(|before| &before.limiter) {
            Some(limiter) if limiter.config() == rate => Arc::clone(limiter),
            _ => Arc::new(Limiter::build(rate)),
        };
        Policy {
            catalog: tools::catalog(self.0.clone(), Arc::clone(&version)),
            version,
            limiter,
        }
    }
}

/// A short hash of what a running server takes over, and of the program.
pub(crate) fn version(sections: &Sections) -> String {
    let decisive = format!("{}\n{}", sections.live(), env!("CARGO_PKG_VERSION"));
    let mut version = Digest::of(decisive.as_bytes()).to_string();
    version.truncate(VERSION_DIGITS);
    version
}

impl Policies for Lasting {
    type Config = Config;
    type Rest = ();
    const LIVE: &'static [&'static str] = &LIVE;

    fn version(&self, sections: &Sections) -> String {
        version(sections)
    }

    fn make(
        &self,
        config: Config,
        version: Arc<str>,
        before: &Policy,
    ) -> Result<(Policy, ()), Refusal> {
        Ok((self.policy(&config.rate, version, Some(before)), ()))
    }

    fn in_force(&self, (): ()) {}
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use mcp_serve::{Freshness, MissingToken, Occasion, Renewal, Standing};

    use super::*;
    use crate::Server;
    use crate::server::Start;

    fn with_requests(directory: &std::path::Path, requests: u32) -> Config {
        let mut config = Config::default();
        config.data.directory = Some(directory.to_owned());
        config.rate.requests = NonZeroU32::new(requests).unwrap();
        config
    }

    #[tokio::test]
    async fn the_rate_comes_into_force_and_the_rest_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let start = Start {
            config_file: None,
            environment: Vec::new(),
            missing_token: MissingToken::Leave,
        };
        let config = with_requests(directory.path(), 5);
        let server = Server::build(config, start).await.unwrap();
        let (pipeline, lasting, started_with) = server.renewable();
        let standing: Standing = lasting.0.standing.clone();
        let next = Arc::new(std::sync::Mutex::new(None));
        let load = {
            let next = Arc::clone(&next);
            move || {
                let next = next.lock().unwrap().clone();
                next.ok_or_else(|| "no such configuration".into())
            }
        };
        let renewal = Renewal {
            policies: lasting,
            pipeline: Arc::clone(&pipeline),
            started_with,
            standing: standing.clone(),
            load: Box::new(load),
        };
        let before = pipeline.policy().version.clone();

        renewal.renew(Occasion::FileChanged);
        assert_eq!(*standing.now(), Freshness::Refused);
        assert_eq!(pipeline.policy().version, before);

        let mut changed = with_requests(directory.path(), 7);
        changed.store.patience = std::time::Duration::from_secs(1);
        *next.lock().unwrap() = Some(changed);
        renewal.renew(Occasion::FileChanged);
        assert_eq!(
            *standing.now(),
            Freshness::NeedsRestart(vec!["store".to_owned()])
        );
        assert_ne!(pipeline.policy().version, before);
        assert_eq!(pipeline.policy().limiter.config().requests.get(), 7);

        *next.lock().unwrap() = Some(with_requests(directory.path(), 5));
        let limiter = Arc::clone(&pipeline.policy().limiter);
        renewal.renew(Occasion::Asked);
        assert_eq!(*standing.now(), Freshness::Current);
        assert_eq!(pipeline.policy().version, before);
        assert!(!Arc::ptr_eq(&limiter, &pipeline.policy().limiter));

        let limiter = Arc::clone(&pipeline.policy().limiter);
        renewal.renew(Occasion::Asked);
        assert!(Arc::ptr_eq(&limiter, &pipeline.policy().limiter), "kept");
    }
}
