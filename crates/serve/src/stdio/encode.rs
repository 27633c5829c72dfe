//! From a message to its line.
//!
//! A tool's reply goes out twice, as a value and as the same JSON in a string, and is most of what a
//! server writes. The SDK writes the frame; the text that is there already is put into it.

use mcp_toolcall::json;
use rmcp::RoleServer;
use rmcp::model::{CallToolResult, ContentBlock, JsonRpcMessage, ServerResult};
use rmcp::service::TxJsonRpcMessage;
use serde_json::Value;

/// Stands in the frame for what is put in. No frame holds it by chance; where a client chose such an id,
/// the SDK writes all.
const GAP: &str = "{gap}";
const QUOTED_GAP: &str = "\"{gap}\"";

/// Content goes out twice, and the quotes of the second are escaped: nearly this often.
const ENCODED_CONTENT: usize = 3;

/// What a message takes as a line, roughly and without its frame.
pub(super) fn size_of(message: &TxJsonRpcMessage<RoleServer>) -> usize {
    let JsonRpcMessage::Response(response) = message else {
        return 0;
    };
    let ServerResult::CallToolResult(result) = &response.result else {
        return 0;
    };
    let text = result.content.iter().filter_map(ContentBlock::as_text);
    let text: usize = text.map(|text| text.text.len()).sum();
    text * ENCODED_CONTENT
}

/// The message as JSON and the end of the line.
pub(super) fn line(mut message: TxJsonRpcMessage<RoleServer>) -> serde_json::Result<Vec<u8>> {
    if let Some((value, text)) = take_reply(&mut message) {
        let frame = serde_json::to_string(&message)?;
        if let Some(line) = fill(&frame, &text) {
            return Ok(line);
        }
        put_back(&mut message, value, text);
    }
    let mut line = serde_json::to_vec(&message)?;
    line.push(b'\n');
    Ok(line)
}

/// A tool's reply in a message, as its value and the text of the same.
fn reply_of(message: &mut TxJsonRpcMessage<RoleServer>) -> Option<(&mut Value, &mut String)> {
    let JsonRpcMessage::Response(response) = message else {
        return None;
    };
    let ServerResult::CallToolResult(result) = &mut response.result else {
        return None;
    };
    let CallToolResult {
        content,
        structured_content,
        ..
    } = result;
    match (structured_content, content.as_mut_slice()) {
        (Some(value), [ContentBlock::Text(text)]) => Some((value, &mut text.text)),
        _ => None,
    }
}

fn take_reply(message: &mut TxJsonRpcMessage<RoleServer>) -> Option<(Value, String)> {
    let (value, text) = reply_of(message)?;
    let value = std::mem::replace(value, Value::from(GAP));
    Some((value, std::mem::replace(text, GAP.to_owned())))
}

fn put_back(message: &mut TxJsonRpcMessage<RoleServer>, value: Value, text: String) {
    if let Some(reply) = reply_of(message) {
        (*reply.0, *reply.1) = (value, text);
    }
}

/// The frame with the text in its gaps: first as a string, then as the value that it is.
fn fill(frame: &str, text: &str) -> Option<Vec<u8>> {
    let mut parts = frame.split(QUOTED_GAP);
    let (Some(head), Some(middle), Some(tail), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let mut line = String::with_capacity(frame.len() + text.len() * ENCODED_CONTENT);
    line.push_str(head);
    json::push_string(&mut line, text);
    line.push_str(middle);
    line.push_str(text);
    line.push_str(tail);
    line.push('\n');
    Some(line.into_bytes())
}

#[cfg(test)]
mod tests {
    use rmcp::model::RequestId;
    use serde_json::json;

    use super::*;

    /// A reply as the handler makes it.
    fn reply(id: RequestId, value: Value) -> TxJsonRpcMessage<RoleServer> {
        let mut result = CallToolResult::success(vec![ContentBlock::text(value.to_string())]);
        result.structured_content = Some(value);
        JsonRpcMessage::response(ServerResult::CallToolResult(result), id)
    }

    #[track_caller]
    fn check(message: TxJsonRpcMessage<RoleServer>) {
        let expect = serde_json::to_string(&message).unwrap();
        let written = String::from_utf8(line(message).unwrap()).unwrap();
        assert_eq!(written, format!("{expect}\n"));
    }

    #[test]
    fn a_line_is_what_the_sdk_would_write() {
        let value = json!({ "content": "a \"b\"\n\\n é\u{1}", "gap": GAP, "list": [1.5, null] });
        for id in [RequestId::Number(7), RequestId::String("x\"{gap}".into())] {
            check(reply(id, value.clone()));
        }
        check(reply(RequestId::Number(1), Value::Null));
    }

    #[test]
    fn an_id_that_looks_like_a_gap_is_only_an_id() {
        check(reply(RequestId::String(GAP.into()), json!({ "a": 1 })));
    }

    #[test]
    fn other_results_are_written_by_the_sdk() {
        let refused = CallToolResult::error(vec![ContentBlock::text(GAP)]);
        let result = ServerResult::CallToolResult(refused);
        check(JsonRpcMessage::response(result, RequestId::Number(1)));
        check(JsonRpcMessage::response(
            ServerResult::empty(()),
            RequestId::Number(1),
        ));
    }
}
