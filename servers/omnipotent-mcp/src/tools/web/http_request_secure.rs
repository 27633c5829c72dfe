//! Makes one HTTP request.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mcp_egress::{
    Completeness, Egress, Method as EgressMethod, Request, RequestHeaders, Response, VettedUrl,
};
use mcp_toolcall::bounded::{Int, Text};
use mcp_toolcall::fit::{cost_of, fit};
use mcp_toolcall::{Account, Caching, Call, Change, Effects, Reach, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{account, charset, explain, explain_header, explain_url, off_thread};

/// Wire bytes kept free for the names of fields and for numbers.
const FRAME: usize = 4096;
/// Wire bytes of a base64 character: once in the structured content, once in its text twin.
const WIRE_COST: usize = 2;

/// Makes one HTTP request.
#[derive(Debug)]
pub struct HttpRequestSecure {
    /// The way out.
    pub egress: Egress,
}

/// What to request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The absolute http or https URL.
    url: Text<1, 16_384>,
    /// The HTTP method.
    #[serde(default)]
    method: Method,
    /// Header fields by name. Host, Content-Length and other fields of the connection are set
    /// automatically and refused here.
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    /// The request body. Without a Content-Type header it is sent as application/json when it is a
    /// JSON object or array, else as text/plain.
    #[serde(default)]
    body: Option<Text<0, 10_485_760>>,
    /// Seconds that the request may take, redirects included.
    #[serde(default = "default_timeout")]
    timeout: Int<1, 120>,
    /// Bytes of the response body that are read.
    #[serde(default = "default_max_bytes")]
    max_bytes: Int<1, 10_485_760>,
}

fn default_timeout() -> Int<1, 120> {
    const { Int::literal(30) }
}

/// A page of content; a client's context is small.
fn default_max_bytes() -> Int<1, 10_485_760> {
    const { Int::literal(256 * 1024) }
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the methods")]
pub enum Method {
    #[default]
    #[serde(alias = "get")]
    Get,
    #[serde(alias = "head")]
    Head,
    #[serde(alias = "post")]
    Post,
    #[serde(alias = "put")]
    Put,
    #[serde(alias = "patch")]
    Patch,
    #[serde(alias = "delete")]
    Delete,
    #[serde(alias = "options")]
    Options,
}

impl From<Method> for EgressMethod {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::Get,
            Method::Head => Self::Head,
            Method::Post => Self::Post,
            Method::Put => Self::Put,
            Method::Patch => Self::Patch,
            Method::Delete => Self::Delete,
            Method::Options => Self::Options,
        }
    }
}

/// The response at the end of the redirects.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// Whether the status is 2xx.
    success: bool,
    /// The HTTP status code.
    status_code: u16,
    /// The URL that answered.
    url: String,
    /// The URLs that redirected, in order.
    redirects: Vec<String>,
    /// Header fields by lower-case name; repeated ones joined by ", ", set-cookie by line breaks.
    headers: BTreeMap<String, String>,
    /// The media type, as the server wrote it.
    content_type: Option<String>,
    /// The character set the text came in, or "base64" when `content` is binary in base64.
    encoding: String,
    /// The body: text, or base64.
    content: String,
    /// Bytes of the decompressed body that were read.
    size_bytes: u64,
    /// Bytes of the whole body, when the server says so.
    total_bytes: Option<u64>,
    /// Whether `content` is less than the whole body; raise `max_bytes` to get more.
    truncated: bool,
    /// Milliseconds from sending the request to the last byte read.
    elapsed_ms: u64,
}

impl Tool for HttpRequestSecure {
    const SPEC: ToolSpec = ToolSpec {
        name: "http_request_secure",
        title: "Make an HTTP request",
        summary: "Makes an HTTP request to a public host and returns status, headers and body (text, \
                  or base64 when binary). Follows up to 5 redirects; private and local addresses are \
                  refused. The body is cut at 256 KiB unless `max_bytes` (to 10 MB) says otherwise. \
                  To read a web page use scrape_webpage_secure.",
        effects: Effects {
            change: Change::Destructive,
            reach: Reach::World,
        },
        caching: Caching::None,
        deadline: Duration::from_secs(125),
    };
    type Args = Args;
    type Plan = Request;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Request, ToolError> {
        let url: VettedUrl = self.egress.vet(&args.url).map_err(explain_url)?;
        let body = args.body.map(Text::into_inner).unwrap_or_default();
        let headers = headers(&args.headers.unwrap_or_default(), &body)?;
        Ok(Request {
            method: args.method.into(),
            headers,
            body: body.into(),
            timeout: Duration::from_secs(args.timeout.get()),
            max_body_bytes: args.max_bytes.get(),
            ..Request::get(url)
        })
    }

    fn account(&self, plan: &Self::Plan) -> Account {
        account(&plan.url)
    }

    async fn run(&self, request: Request, call: &Call) -> Result<Reply, ToolError> {
        let response = self.egress.send(request).await.map_err(explain)?;
        let budget = call.reply_budget;
        off_thread(response.body.len(), move || Reply::new(&response, budget)).await
    }
}

fn headers(given: &BTreeMap<String, String>, body: &str) -> Result<RequestHeaders, ToolError> {
    let has_type = given
        .keys()
        .any(|name| name.eq_ignore_ascii_case("content-type"));
    let assumed = (!has_type && !body.is_empty()).then(|| ("content-type", type_of(body)));
    let given = given
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    RequestHeaders::try_new(given.chain(assumed)).map_err(|refusal| explain_header(&refusal))
}

fn type_of(body: &str) -> &'static str {
    let json = body.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<serde::de::IgnoredAny>(body).is_ok();
    if json {
        "application/json"
    } else {
        "text/plain; charset=utf-8"
    }
}

impl Reply {
    fn new(response: &Response, budget: usize) -> Self {
        let headers = joined(response);
        let redirects: Vec<_> = response.redirects.iter().map(ToString::to_string).collect();
        let url = response.url.to_string();
        let frame: usize = headers
            .iter()
            .flat_map(|(name, value)| [name, value])
            .chain(&redirects)
            .chain([&url])
            .map(|text| cost_of(text) + 16)
            .sum();
        let content_type = response.header("content-type");
        let room = budget.saturating_sub(frame + FRAME);
        let Content {
            shown,
            encoding,
            whole,
        } = Content::of(response, room);
        Self {
            success: response.is_success(),
            status_code: response.status,
            url,
            redirects,
            content_type: content_type.map(str::to_owned),
            headers,
            encoding,
            content: shown,
            size_bytes: u64::try_from(response.body.len()).unwrap_or(u64::MAX),
            total_bytes: response.declared_bytes,
            truncated: !whole || response.completeness == Completeness::Cut,
            elapsed_ms: u64::try_from(response.elapsed.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Set-Cookie cannot be joined by commas (RFC 9110, section 5.3).
fn joined(response: &Response) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in response.headers() {
        let separator = if name == "set-cookie" { "\n" } else { ", " };
        headers
            .entry(name.to_owned())
            .and_modify(|known| {
                known.push_str(separator);
                known.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    headers
}

/// A body as it is shown.
struct Content {
    shown: String,
    encoding: String,
    whole: bool,
}

impl Content {
    fn of(response: &Response, room: usize) -> Self {
        let body = &response.body;
        let content_type = response.header("content-type");
        if let Some(decoded) = charset::decode(body, content_type, response.completeness) {
            let fits = fit(&decoded.text, usize::MAX, room);
            return Self {
                shown: decoded.text.get(..fits).unwrap_or_default().to_owned(),
                whole: fits == decoded.text.len(),
                encoding: decoded.charset,
            };
        }
        // Three bytes become four characters.
        let fits = body.len().min(room / WIRE_COST / 4 * 3);
        Self {
            shown: STANDARD.encode(body.get(..fits).unwrap_or_default()),
            encoding: "base64".to_owned(),
            whole: fits == body.len(),
        }
    }
}

#[cfg(test)]
mod tests;
