//! Lines in, messages or refusals out.

use std::time::Duration;

use rmcp::model::JsonRpcMessage;

use tokio::io::AsyncReadExt;

use super::*;

/// Feeds `input` to a transport with a bound of 200 bytes and reads it to its end; returns the ids
/// of the requests that arrived and the lines that were answered.
async fn exchange(input: &[u8]) -> (Vec<String>, String) {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let (reader, writer) = tokio::io::split(server);
    let ended = CancellationToken::new();
    let mut lines = Lines::new(reader, writer, 200, ended.clone());
    client.write_all(input).await.unwrap();
    let mut client = {
        let (reader, mut writer) = tokio::io::split(client);
        writer.shutdown().await.unwrap();
        reader
    };
    let mut ids = Vec::new();
    let second = Duration::from_secs(1);
    while let Some(message) = tokio::time::timeout(second, lines.receive()).await.unwrap() {
        if let JsonRpcMessage::Request(request) = message {
            ids.push(request.id.to_string());
        }
    }
    assert!(ended.is_cancelled());
    drop(lines);
    let mut answered = String::new();
    let reading = AsyncReadExt::read_to_string(&mut client, &mut answered);
    tokio::time::timeout(Duration::from_secs(5), reading)
        .await
        .unwrap()
        .unwrap();
    (ids, answered)
}

fn ping(id: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}\n")
}

#[tokio::test]
async fn reads_requests_between_empty_lines_and_garbage() {
    let input = format!("\n\r\n{}garbage\n\u{feff}?\n{}", ping("1"), ping("\"two\""));
    let (ids, answered) = exchange(input.as_bytes()).await;
    assert_eq!(
        (ids, answered.as_str()),
        (vec!["1".into(), "two".into()], "")
    );
}

#[tokio::test]
async fn answers_a_request_that_is_too_long_and_reads_on() {
    let long = "x".repeat(100_000);
    let input = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"m\",\"params\":\"{long}\"}}\n{}",
        ping("8")
    );
    let (ids, answered) = exchange(input.as_bytes()).await;
    assert_eq!(ids, ["8"]);
    assert!(
        answered.contains("\"id\":7") && answered.contains("longer than 200"),
        "{answered}"
    );
}

#[tokio::test]
async fn answers_what_is_no_request_by_its_id() {
    let deep = "[".repeat(150);
    for (line, code) in [
        (
            format!("{{\"jsonrpc\":\"2.0\",\"id\":5,\"p\":{deep}"),
            "-32700",
        ),
        (
            "{\"id\":5,\"jsonrpc\":\"1.0\",\"method\":\"ping\"}".to_owned(),
            "-32600",
        ),
        ("{\"id\":5,\"method\":7}".to_owned(), "-32600"),
    ] {
        let (ids, answered) = exchange(format!("{line}\n{}", ping("6")).as_bytes()).await;
        assert_eq!(ids, ["6"], "{line}");
        assert!(
            answered.contains("\"id\":5") && answered.contains(code),
            "{line}: {answered}"
        );
    }
}

#[tokio::test]
async fn finds_an_id_that_comes_last() {
    let text = "[".repeat(1000);
    for (id, params) in [
        ("42", text.as_str()),
        ("\"a\"", "{\"id\":1,}"),
        (" 7 ", "\u{1}"),
    ] {
        let line =
            format!("{{\"method\":\"m\",\"params\":{params},\"jsonrpc\":\"2.0\",\"id\":{id}}}\r\n");
        let (_, answered) = exchange(line.as_bytes()).await;
        let expected = format!("\"id\":{}", id.trim());
        assert!(answered.contains(&expected), "{line}: {answered}");
    }
    for params in [
        "{\"a\":{\"id\":5}",
        "[{\"id\":5}",
        "{\"text\":\"\\\"id\\\":5}",
    ] {
        let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{params}}}}}\n");
        let (_, answered) = exchange(line.as_bytes()).await;
        assert!(!answered.contains("\"id\""), "{line}: {answered}");
    }
}

#[tokio::test]
async fn never_answers_by_a_part_of_an_id() {
    let endless = "5".repeat(300);
    for id in ["1.5", "1e3", "-", "18446744073709551616", &endless] {
        let line = format!("{{\"id\":{id},\"jsonrpc\":\"2.0\",\"method\":7}}");
        let (_, answered) = exchange(format!("{line}\n").as_bytes()).await;
        assert!(!answered.contains("\"id\""), "{line}: {answered}");
    }
}

#[tokio::test]
async fn ignores_invalid_utf8_and_an_unfinished_last_line() {
    let mut input = b"\xff\xfe{}\n".to_vec();
    input.extend_from_slice(ping("1").as_bytes());
    input.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}");
    let (ids, answered) = exchange(&input).await;
    assert_eq!((ids, answered.as_str()), (vec!["1".into()], ""));
}

#[tokio::test]
async fn reads_no_further_while_replies_are_not_taken() {
    let (mut client, server) = tokio::io::duplex(1024);
    let (reader, writer) = tokio::io::split(server);
    let mut lines = Lines::new(reader, writer, 200, CancellationToken::new());
    client.write_all(ping("1").as_bytes()).await.unwrap();
    let large = ErrorData::new(ErrorCode::INTERNAL_ERROR, "x".repeat(UNREAD_BYTES), None);
    let unread = lines.send(TxJsonRpcMessage::<RoleServer>::error(large, None));
    let now = Duration::ZERO;
    assert!(tokio::time::timeout(now, lines.receive()).await.is_err());
    drop(unread);
    assert!(lines.receive().await.is_some());
}
