//! The least process that answers like a server on stdio: the floor that starts are measured
//! against. It uses the standard library alone and looks for the id and the method as text, so it
//! understands no request but those of `cargo xtask bench`.

use std::io::{self, BufRead, Read, Write};

/// Longest request, in bytes.
const MAX_REQUEST: u64 = 64 * 1024;

const INITIALIZED: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"floor","version":"1"}}"#;
const DISCOVERED: &str = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"serverInfo":{"name":"floor","version":"1"},"resultType":"complete"}"#;
const TOOLS: &str = r#"{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#;
const ECHOED: &str = r#"{"content":[{"type":"text","text":"{\"name\":\"LANG\",\"value\":\"C.UTF-8\"}"}],"structuredContent":{"name":"LANG","value":"C.UTF-8"},"isError":false}"#;

fn main() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut line = String::new();
    while input.by_ref().take(MAX_REQUEST).read_line(&mut line)? > 0 {
        if let (Some(id), Some(result)) = (id(&line), result(&line)) {
            writeln!(output, r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)?;
            output.flush()?;
        }
        line.clear();
    }
    Ok(())
}

/// The id as it is written; notifications have none.
fn id(line: &str) -> Option<&str> {
    let (_, after) = line.split_once(r#""id":"#)?;
    after.split([',', '}']).next()
}

fn result(line: &str) -> Option<&'static str> {
    let (_, after) = line.split_once(r#""method":""#)?;
    match after.split('"').next()? {
        "initialize" => Some(INITIALIZED),
        "server/discover" => Some(DISCOVERED),
        "tools/list" => Some(TOOLS),
        "tools/call" => Some(ECHOED),
        _ => None,
    }
}
