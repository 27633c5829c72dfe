//! What of a message decides how it travels over HTTP.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rmcp::transport::common::http_header::{
    BASE64_HEADER_PREFIX, BASE64_HEADER_SUFFIX, HEADER_MCP_METHOD, HEADER_MCP_NAME,
    HEADER_MCP_PROTOCOL_VERSION,
};
use serde::Deserialize;
use serde_json::Value;

/// Ends a request in progress.
pub(super) const CANCELLED: &str = "notifications/cancelled";

/// The parts of a JSON-RPC message that are looked at; the rest is skipped, however large.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    pub(super) id: Option<Value>,
    method: Option<String>,
    params: Option<Params>,
    result: Option<Agreed>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    name: Option<Value>,
    uri: Option<Value>,
    task_id: Option<Value>,
    request_id: Option<Value>,
    #[serde(rename = "_meta")]
    meta: Option<Meta>,
}

#[derive(Debug, Deserialize)]
struct Meta {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Agreed {
    protocol_version: Option<Value>,
}

impl Envelope {
    pub(super) fn read(message: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(message)
    }

    pub(super) fn is(&self, method: &str) -> bool {
        self.method.as_deref() == Some(method)
    }

    /// Whether it must be answered.
    pub(super) fn is_request(&self) -> bool {
        self.method.is_some() && self.id.is_some()
    }

    /// Whether it answers a request.
    pub(super) fn is_response(&self) -> bool {
        self.method.is_none() && self.id.is_some()
    }

    /// The id as JSON.
    pub(super) fn id_text(&self) -> String {
        self.id.as_ref().map(Value::to_string).unwrap_or_default()
    }

    /// The id, as JSON, of the request that it cancels.
    pub(super) fn cancels(&self) -> Option<String> {
        let cancels = self.is(CANCELLED);
        let id = self.params.as_ref()?.request_id.as_ref();
        Some(id.filter(|_| cancels)?.to_string())
    }

    /// The revision that a response to `initialize` names.
    pub(super) fn agreed_version(&self) -> Option<&str> {
        self.result.as_ref()?.protocol_version.as_ref()?.as_str()
    }

    /// Whether it stands alone, as messages do since revision 2026-07-28.
    pub(super) fn is_stateless(&self) -> bool {
        self.version().is_some()
    }

    fn version(&self) -> Option<&str> {
        let meta = self.params.as_ref()?.meta.as_ref()?;
        meta.version.as_ref()?.as_str()
    }

    /// The fields that a message which stands alone needs in the head of its request; they repeat
    /// what it says itself.
    pub(super) fn fields(&self) -> HeaderMap {
        let Some(version) = self.version() else {
            return HeaderMap::new();
        };
        let method = self.method.as_deref();
        let fields = [
            (HEADER_MCP_PROTOCOL_VERSION, Some(version)),
            (HEADER_MCP_METHOD, method),
            (HEADER_MCP_NAME, self.name()),
        ];
        let field = |(name, value): (&str, Option<&str>)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(&field_value(value?)).ok()?))
        };
        fields.into_iter().filter_map(field).collect()
    }

    /// What the method is about.
    fn name(&self) -> Option<&str> {
        let params = self.params.as_ref()?;
        let named = match self.method.as_deref()? {
            "tools/call" | "prompts/get" => &params.name,
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => &params.uri,
            "tasks/get" | "tasks/update" | "tasks/cancel" => &params.task_id,
            _ => return None,
        };
        named.as_ref()?.as_str()
    }
}

/// A value as it may stand in a field: as it is when it is plain, otherwise in Base64.
fn field_value(value: &str) -> String {
    let is_plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && value.trim() == value
        && !value.starts_with(BASE64_HEADER_PREFIX);
    if is_plain {
        return value.to_owned();
    }
    let encoded = BASE64_STANDARD.encode(value);
    format!("{BASE64_HEADER_PREFIX}{encoded}{BASE64_HEADER_SUFFIX}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_repeat_what_a_stateless_message_says() {
        let check = |message: &str, expected: &[(&str, &str)]| {
            let fields = Envelope::read(message.as_bytes()).unwrap().fields();
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                .collect();
            assert_eq!(fields, expected, "{message}");
        };
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        let version = ("mcp-protocol-version", "2026-07-28");
        let call = |name: &str| {
            format!(r#"{{"id":1,"method":"tools/call","params":{{"name":"{name}",{meta}}}}}"#)
        };
        let method = ("mcp-method", "tools/call");
        check(&call("a"), &[version, method, ("mcp-name", "a")]);
        check(
            &call("ä"),
            &[version, method, ("mcp-name", "=?base64?w6Q=?=")],
        );
        check(
            &call(" a"),
            &[version, method, ("mcp-name", "=?base64?IGE=?=")],
        );
        let list = format!(r#"{{"id":"x","method":"tools/list","params":{{{meta}}}}}"#);
        check(&list, &[version, ("mcp-method", "tools/list")]);
        check(
            r#"{"id":1,"method":"tools/call","params":{"name":"a"}}"#,
            &[],
        );
        check(r#"{"id":1,"method":"tools/list"}"#, &[]);
    }

    #[test]
    fn knows_requests_responses_and_what_is_cancelled() {
        let read = |message: &str| Envelope::read(message.as_bytes()).unwrap();
        let request = read(r#"{"id":"a","method":"ping"}"#);
        assert!(request.is_request() && !request.is_response() && request.cancels().is_none());
        let response = read(r#"{"id":1,"result":{"protocolVersion":"2025-11-25"}}"#);
        assert!(response.is_response() && !response.is_request());
        assert_eq!(response.agreed_version(), Some("2025-11-25"));
        let cancel = read(r#"{"method":"notifications/cancelled","params":{"requestId":"a"}}"#);
        assert_eq!(cancel.cancels(), Some(request.id_text()));
        assert!(Envelope::read(b"[1]").is_err());
    }
}
