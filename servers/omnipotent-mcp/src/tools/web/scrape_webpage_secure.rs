//! Reads a web page: text, markdown, HTML or links.

mod reply;

use std::sync::Arc;
use std::time::Duration;

use mcp_cache::{Cache, CacheConfig};
use mcp_egress::{Completeness, Egress, Request, RequestHeaders, Response, Robots, VettedUrl};
use mcp_toolcall::bounded::{Int, Text};
use mcp_toolcall::{Account, Caching, Call, Code, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::reply::Reply;
use super::page::{Markup, Page, PageError, Parsers};
use super::render::{self, Format, Selector, Wish};
use super::{account, charset, explain, explain_header, explain_url, off_thread};

/// What a browser sends, so that servers choose HTML.
const ACCEPT: &str = "text/html,application/xhtml+xml;q=0.9,text/plain;q=0.8,*/*;q=0.5";
/// What of pages is fetched and remembered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScrapeConfig {
    /// Bytes of a page after decoding; what follows is cut off. Default: 5 MiB.
    pub max_page_bytes: u64,
    /// Time to fetch a page, redirects included. Default: 30s.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// How long a page is remembered at most, so that paging does not fetch it again. Default: 5m.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub cache_ttl: Duration,
    /// The pages remembered. Default: 32 MiB of them.
    pub cache: CacheConfig,
    /// Pages parsed at the same time. Default: 2.
    pub parsers: usize,
    /// Whether a page is fetched only if its site's robots.txt (RFC 9309) lets it: "ignore" or
    /// "respect". Its groups are matched against the name in `egress.user_agent`. Default "ignore".
    pub robots: Robots,
}

impl Default for ScrapeConfig {
    fn default() -> Self {
        Self {
            max_page_bytes: 5 * 1024 * 1024,
            timeout: Duration::from_secs(30),
            cache_ttl: Duration::from_mins(5),
            cache: CacheConfig::default(),
            parsers: 2,
            robots: Robots::Ignore,
        }
    }
}

/// Reads a web page.
#[derive(Debug)]
pub struct ScrapeWebpageSecure {
    /// The pages remembered, by URL.
    pub pages: Cache<String, Arc<Page>>,
    egress: Egress,
    parsers: Parsers,
    max_page_bytes: u64,
    timeout: Duration,
    cache_ttl: Duration,
    robots: Robots,
}

impl ScrapeWebpageSecure {
    /// The tool with its cache, which starts empty.
    pub fn new(egress: Egress, config: &ScrapeConfig) -> Self {
        Self {
            pages: Cache::build("pages", &config.cache, |page: &Arc<Page>| page.weight()),
            egress,
            parsers: Parsers::new(config.parsers.max(1)),
            max_page_bytes: config.max_page_bytes,
            timeout: config.timeout,
            cache_ttl: config.cache_ttl,
            robots: config.robots,
        }
    }
}

/// Which page, and what of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The absolute http or https URL.
    url: Text<1, 16_384>,
    /// A CSS selector: `content` becomes the list of what it matches. Empty means the whole page.
    #[serde(default)]
    selector: Option<Text<0, 1000>>,
    /// How content is shown: visible text, markdown (of a whole page, its main content), html, or
    /// links alone.
    #[serde(default)]
    format: Format,
    /// Where to go on, from `next_index` of the last reply: a character of the page, or with a
    /// selector a match.
    #[serde(default = "default_start")]
    start_index: Int<0, 100_000_000>,
    /// Characters of content in the reply.
    #[serde(default = "default_length")]
    max_length: Int<1, 5_000_000>,
}

fn default_start() -> Int<0, 100_000_000> {
    const { Int::literal(0) }
}

/// A page of content; a client's context is small.
fn default_length() -> Int<1, 5_000_000> {
    const { Int::literal(256 * 1024) }
}

/// A page that may be fetched, and what is shown of it.
#[derive(Debug)]
pub struct Plan {
    url: VettedUrl,
    wish: Wish,
    start: usize,
}

impl Tool for ScrapeWebpageSecure {
    const SPEC: ToolSpec = ToolSpec {
        name: "scrape_webpage_secure",
        title: "Read a web page",
        summary: "Fetches a public web page and returns its text, its main content as markdown, its \
                  HTML or its links; with a CSS selector, up to 100 matches. Pages are cut at 5 MB \
                  and remembered for 5 minutes. When `truncated`, call again with `start_index` set \
                  to `next_index`. Scripts are not run.",
        effects: Effects::READ_WORLD,
        caching: Caching::None,
        deadline: Duration::from_mins(1),
    };
    type Args = Args;
    type Plan = Plan;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Plan, ToolError> {
        let url = self.egress.vet(&args.url).map_err(explain_url)?;
        let selector = args
            .selector
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty());
        let selector = selector.map(Selector::parse).transpose();
        let selector = selector.map_err(|error| {
            ToolError::invalid("selector", error).with_hint("for example `article p` or `a.title`")
        })?;
        let start = args.start_index.as_usize();
        let first_match = if selector.is_some() { start } else { 0 };
        let wish = Wish {
            format: args.format,
            selector,
            first_match,
            length: args.max_length.as_usize(),
        };
        Ok(Plan { url, wish, start })
    }

    fn account(&self, plan: &Plan) -> Account {
        account(&plan.url)
    }

    async fn run(&self, plan: Plan, call: &Call) -> Result<Reply, ToolError> {
        let page = self.page(&plan.url).await?;
        let (wish, source) = (plan.wish.clone(), page.clone());
        let view = self
            .parsers
            .run(move |until| render::view(&source, &wish, until))
            .await
            .map_err(explain_page)?;
        Ok(Reply::new(&page, view, &plan, call.reply_budget))
    }
}

impl ScrapeWebpageSecure {
    async fn page(&self, url: &VettedUrl) -> Result<Arc<Page>, ToolError> {
        let key = url.as_str().to_owned();
        if let Some(page) = self.pages.get(&key).await {
            return Ok(page);
        }
        let headers = RequestHeaders::try_new([("accept", ACCEPT)])
            .map_err(|refusal| explain_header(&refusal))?;
        let request = Request {
            headers,
            timeout: self.timeout,
            max_body_bytes: self.max_page_bytes,
            robots: self.robots,
            ..Request::get(url.clone())
        };
        let response = self.egress.send(request).await.map_err(explain)?;
        let ttl = lifetime(&response).min(self.cache_ttl);
        let page = Arc::new(off_thread(response.body.len(), move || read(&response)).await??);
        if !ttl.is_zero() {
            self.pages.insert(key, ttl, page.clone()).await;
        }
        Ok(page)
    }
}

fn read(response: &Response) -> Result<Page, ToolError> {
    let content_type = response.header("content-type");
    let Some(decoded) = charset::decode(&response.body, content_type, response.completeness) else {
        let kind = content_type.unwrap_or("of no declared type");
        let message = format!("the page is not text ({kind})");
        return Err(
            ToolError::new(Code::UnsupportedEncoding, message).with_hint(
                "fetch it with http_request_secure, which returns binary bodies as base64",
            ),
        );
    };
    let start = decoded.text.trim_start();
    let looks_like_html = content_type.is_none() && start.starts_with('<');
    let is_html = charset::is_html(content_type) || looks_like_html;
    Ok(Page {
        url: response.url.to_string(),
        status: response.status,
        markup: if is_html { Markup::Html } else { Markup::None },
        cut: response.completeness == Completeness::Cut,
        text: decoded.text.into_owned(),
    })
}

/// How long a response may be remembered (RFC 9111, section 5.2.2). All callers share the pages, so
/// what is private is not kept, though requests carry no credentials.
fn lifetime(response: &Response) -> Duration {
    if !response.is_success() || response.header("vary") == Some("*") {
        return Duration::ZERO;
    }
    let fields = response
        .headers()
        .filter(|(name, _)| *name == "cache-control");
    let control: String = fields
        .map(|(_, value)| value.to_ascii_lowercase() + ",")
        .collect();
    let mut lifetime = Duration::MAX;
    for directive in control.split(',').map(str::trim) {
        match directive.split_once('=').unwrap_or((directive, "")) {
            ("no-store" | "no-cache" | "private", _) => return Duration::ZERO,
            ("max-age" | "s-maxage", seconds) => {
                let seconds = seconds.trim_matches('"').parse().unwrap_or(0);
                lifetime = lifetime.min(Duration::from_secs(seconds));
            }
            _ => {}
        }
    }
    lifetime
}

fn explain_page(error: PageError) -> ToolError {
    let code = match error {
        PageError::TooLarge { .. } | PageError::TooDeep { .. } | PageError::TooCostly => {
            Code::TooLarge
        }
        PageError::TimedOut { .. } => Code::TimedOut,
        PageError::Failed => Code::Internal,
    };
    ToolError::new(code, error.to_string())
        .with_hint("fetch the page as it is with http_request_secure")
        .with_source(error)
}

#[cfg(test)]
mod tests;
