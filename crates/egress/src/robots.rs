//! Asks a site's robots.txt (RFC 9309) before a page is fetched.

mod rules;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mcp_cache::{Cache, CacheConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::exchange::Egress;
use crate::{EgressError, Request, Response, UrlRefusal, VettedUrl};
use rules::Rules;

/// Bytes of a robots.txt that are read (RFC 9309, section 2.5).
const LARGEST: u64 = 500 * 1024;
/// Memory for the rules of all sites.
const CACHE: CacheConfig = CacheConfig {
    max_bytes: 4 * 1024 * 1024,
};
/// How long a site's rules are believed; the standard allows a day.
const BELIEVED_FOR: Duration = Duration::from_hours(1);
/// How long a site whose robots.txt cannot be had is left alone.
const RETRY_AFTER: Duration = Duration::from_mins(1);

/// Whether a request asks the site's robots.txt first, at every redirect anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Robots {
    /// It does not.
    #[default]
    Ignore,
    /// It does, and is not sent when the site forbids it.
    Respect,
}

/// Why a site's robots.txt forbids a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RobotsRefusal {
    /// It says so.
    Disallowed,
    /// The site failed to serve it, which forbids everything (RFC 9309, section 2.3.1.4).
    Unreachable,
}

impl fmt::Display for RobotsRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disallowed => "disallows this URL",
            Self::Unreachable => "cannot be had, which disallows every URL for now",
        })
    }
}

/// The rules of the sites that were asked, by origin.
pub(crate) struct RobotsTexts {
    /// What the groups of a robots.txt call this program.
    token: String,
    /// Built on first need: most servers never ask.
    sites: OnceLock<Cache<String, Arc<Site>>>,
}

/// What a site's robots.txt said.
enum Site {
    Rules(Rules),
    Unreachable,
}

impl RobotsTexts {
    /// For the program that sends this `User-Agent`, whose product token is what comes before the
    /// version.
    pub(crate) fn new(user_agent: &str) -> Self {
        let token = user_agent.split(['/', ' ']).next().unwrap_or_default();
        Self {
            token: token.to_owned(),
            sites: OnceLock::new(),
        }
    }

    /// Refuses `url` when its site's robots.txt does.
    pub(crate) async fn judge(
        &self,
        egress: &Egress,
        url: &VettedUrl,
        deadline: Instant,
    ) -> Result<(), EgressError> {
        let site = self.site(egress, url, deadline).await?;
        let path = url.path_and_query();
        let verdict = move || match &*site {
            Site::Unreachable => Some(RobotsRefusal::Unreachable),
            Site::Rules(rules) => (!rules.allow(&path)).then_some(RobotsRefusal::Disallowed),
        };
        match off_thread(verdict).await? {
            Some(refusal) => Err(EgressError::Robots {
                host: url.authority(),
                refusal,
            }),
            None => Ok(()),
        }
    }

    async fn site(
        &self,
        egress: &Egress,
        url: &VettedUrl,
        deadline: Instant,
    ) -> Result<Arc<Site>, EgressError> {
        let sites = self.sites.get_or_init(|| {
            Cache::build("robots", &CACHE, |site: &Arc<Site>| match &**site {
                Site::Rules(rules) => rules.weight(),
                Site::Unreachable => size_of::<Site>(),
            })
        });
        let place = robots_txt_of(egress, url)?;
        let key = place.as_str().to_owned();
        if let Some(known) = sites.get(&key).await {
            return Ok(known);
        }
        let request = Request {
            timeout: deadline.saturating_duration_since(Instant::now()),
            max_body_bytes: LARGEST,
            ..Request::get(place)
        };
        let site = Arc::new(self.read(egress.send_boxed(request).await?).await?);
        let ttl = match *site {
            Site::Rules(_) => BELIEVED_FOR,
            Site::Unreachable => RETRY_AFTER,
        };
        sites.insert(key, ttl, Arc::clone(&site)).await;
        Ok(site)
    }

    /// A site that has no robots.txt allows everything (RFC 9309, section 2.3.1.3).
    async fn read(&self, response: Response) -> Result<Site, EgressError> {
        match response.status {
            200..=299 => {
                let token = self.token.clone();
                let parse = move || {
                    let text = String::from_utf8_lossy(&response.body);
                    Site::Rules(Rules::parse(&text, &token))
                };
                off_thread(parse).await
            }
            500.. => Ok(Site::Unreachable),
            _ => Ok(Site::Rules(Rules::default())),
        }
    }
}

fn robots_txt_of(egress: &Egress, url: &VettedUrl) -> Result<VettedUrl, EgressError> {
    let refused = |source| EgressError::Redirect {
        location: "/robots.txt".to_owned(),
        source,
    };
    let place = url
        .join("/robots.txt")
        .map_err(|source| refused(UrlRefusal::Malformed { source }))?;
    egress.vet(place.as_str()).map_err(refused)
}

/// Half a megabyte of rules against a long path takes milliseconds.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EgressError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| EgressError::Panicked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EgressConfig;
    use crate::tests::server::{Answer, Server, ok, respond};

    fn egress() -> Egress {
        EgressConfig {
            allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
            user_agent: "our-bot/1.0".to_owned(),
            ..EgressConfig::default()
        }
        .build()
        .unwrap()
    }

    async fn fetch(egress: &Egress, url: &str) -> Result<u16, EgressError> {
        let request = Request {
            robots: Robots::Respect,
            ..Request::get(egress.vet(url).unwrap())
        };
        egress.send(request).await.map(|response| response.status)
    }

    /// A site with this answer for its robots.txt, and pages besides.
    async fn site(robots: impl Fn() -> Answer + Send + Sync + 'static) -> Server {
        Server::start(move |request| match request.split(' ').nth(1) {
            Some("/robots.txt") => robots(),
            Some("/leave") => respond(302, "location: /private\r\n", ""),
            _ => ok("page"),
        })
        .await
    }

    fn is_refused(result: &Result<u16, EgressError>, expected: RobotsRefusal) -> bool {
        matches!(result, Err(EgressError::Robots { refusal, .. }) if *refusal == expected)
    }

    #[tokio::test]
    async fn asks_once_and_judges_every_redirect() {
        let site = site(|| ok("User-agent: our-bot\nDisallow: /private")).await;
        let egress = egress();
        assert!(matches!(
            fetch(&egress, &site.url("/open?q")).await,
            Ok(200)
        ));
        for path in ["/private?q", "/leave"] {
            let refused = fetch(&egress, &site.url(path)).await;
            assert!(
                is_refused(&refused, RobotsRefusal::Disallowed),
                "{path}: {refused:?}"
            );
            assert!(refused.unwrap_err().is_policy());
        }
        let asked: Vec<_> = site
            .requests()
            .iter()
            .map(|request| request.split(' ').nth(1).unwrap().to_owned())
            .collect();
        assert_eq!(asked, ["/robots.txt", "/open?q", "/leave"]);
        let ignored = Request::get(egress.vet(&site.url("/private")).unwrap());
        assert_eq!(egress.send(ignored).await.unwrap().status, 200);
    }

    #[tokio::test]
    async fn takes_the_absence_of_rules_for_leave_and_failure_for_none() {
        for (status, allowed) in [
            (404, true),
            (403, true),
            (429, true),
            (500, false),
            (503, false),
        ] {
            let site = site(move || respond(status, "", "User-agent: *\nDisallow: /\n")).await;
            let result = fetch(&egress(), &site.url("/")).await;
            let refused = is_refused(&result, RobotsRefusal::Unreachable);
            assert_eq!((result.is_ok(), refused), (allowed, !allowed), "{status}");
        }
    }

    #[tokio::test]
    async fn reads_the_beginning_of_an_endless_file() {
        let endless = "User-agent: *\nDisallow: /private\n".to_owned() + &"#".repeat(600_000);
        let site = site(move || ok(&endless)).await;
        let egress = egress();
        let refused = fetch(&egress, &site.url("/private")).await;
        assert!(
            is_refused(&refused, RobotsRefusal::Disallowed),
            "{refused:?}"
        );
        assert!(matches!(fetch(&egress, &site.url("/open")).await, Ok(200)));
    }

    #[tokio::test]
    async fn a_robots_txt_that_leads_elsewhere_is_judged_as_every_redirect() {
        let site = site(|| respond(302, "location: http://10.0.0.1/robots.txt\r\n", "")).await;
        let refused = fetch(&egress(), &site.url("/")).await;
        assert!(
            matches!(refused, Err(EgressError::Redirect { .. })),
            "{refused:?}"
        );
    }
}
