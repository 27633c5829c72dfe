//! The tool against a server on loopback.

use mcp_toolcall::{Caller, Code};
use serde_json::{Value, json};

use super::*;
use crate::tools::web::loopback::{Server, egress};

fn call() -> Call {
    Call::unwatched(Caller::new("test"))
}

async fn try_send(arguments: Value) -> Result<Value, ToolError> {
    let tool = HttpRequestSecure { egress: egress() };
    let arguments =
        serde_json::from_value(arguments).map_err(|error| ToolError::invalid("", error))?;
    let plan = tool.vet(arguments, &call()).await?;
    let reply = tool.run(plan, &call()).await?;
    Ok(serde_json::to_value(reply).unwrap())
}

async fn send(arguments: Value) -> Value {
    try_send(arguments).await.unwrap()
}

#[tokio::test]
async fn answers_with_text() {
    let fields = "Content-Type: text/plain; charset=latin1\r\nX-A: 1\r\nX-A: 2\r\n\
                  Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n";
    let server = Server::start(fields, b"caf\xe9").await;
    let mut reply = send(json!({ "url": server.url })).await;
    reply["elapsed_ms"] = json!(0);
    let expected = json!({
        "success": true,
        "status_code": 200,
        "url": server.url,
        "redirects": [],
        "headers": {
            "content-type": "text/plain; charset=latin1",
            "x-a": "1, 2",
            "set-cookie": "a=1\nb=2",
            "content-length": "4",
        },
        "content_type": "text/plain; charset=latin1",
        "encoding": "windows-1252",
        "content": "café",
        "size_bytes": 4,
        "total_bytes": 4,
        "truncated": false,
        "elapsed_ms": 0,
    });
    assert_eq!(reply, expected);
}

#[tokio::test]
async fn answers_with_base64_when_binary() {
    let server = Server::start("Content-Type: image/png\r\n", [0x89, 0x50, 0x4e, 0x47]).await;
    let reply = send(json!({ "url": server.url })).await;
    assert_eq!(
        (&reply["encoding"], &reply["content"]),
        (&json!("base64"), &json!("iVBORw=="))
    );
}

#[tokio::test]
async fn cuts_content_where_it_is_told() {
    let server = Server::start("", "ä".repeat(200_000)).await;
    let reply = send(json!({ "url": server.url })).await;
    assert_eq!(reply["content"].as_str().unwrap().len(), 256 * 1024);
    assert_eq!(
        (&reply["truncated"], &reply["total_bytes"]),
        (&json!(true), &json!(400_000))
    );
    let reply = send(json!({ "url": server.url, "max_bytes": 5 })).await;
    assert_eq!(reply["content"], json!("ää"));
    let reply = send(json!({ "url": server.url, "max_bytes": 1_000_000 })).await;
    assert_eq!(
        (&reply["truncated"], &reply["size_bytes"]),
        (&json!(false), &json!(400_000))
    );
}

#[tokio::test]
async fn keeps_content_within_the_budget_of_a_reply() {
    for body in ["\"".repeat(1_000_000).into_bytes(), vec![0; 1_000_000]] {
        let server = Server::start("", body).await;
        let tool = HttpRequestSecure { egress: egress() };
        let call = Call {
            reply_budget: 100_000,
            ..call()
        };
        let args = json!({ "url": server.url, "max_bytes": 1_000_000 });
        let plan = tool
            .vet(serde_json::from_value(args).unwrap(), &call)
            .await
            .unwrap();
        let reply = tool.run(plan, &call).await.unwrap();
        assert!(reply.truncated);
        let once = serde_json::to_string(&reply).unwrap();
        let twice = serde_json::to_string(&once).unwrap();
        let wire = once.len() + twice.len();
        assert!((90_000..=100_000).contains(&wire), "{wire}");
    }
}

#[tokio::test]
async fn names_the_type_of_a_body() {
    let server = Server::start("", "").await;
    for (body, given, expected) in [
        (r#"{"a":1}"#, None, "application/json"),
        ("{not json", None, "text/plain; charset=utf-8"),
        (
            "a=1",
            Some("application/x-www-form-urlencoded"),
            "application/x-www-form-urlencoded",
        ),
    ] {
        let headers = given.map(|given| json!({ "CONTENT-TYPE": given }));
        send(json!({ "url": server.url, "method": "post", "body": body, "headers": headers }))
            .await;
        let seen = server.last();
        assert!(seen.starts_with("POST / HTTP/1.1\r\n"), "{seen}");
        assert!(
            seen.contains(&format!("content-type: {expected}\r\n")),
            "{seen}"
        );
    }
}

#[tokio::test]
async fn refuses_what_the_policy_or_the_schema_refuses() {
    for (arguments, code, part) in [
        (
            json!({ "url": "http://10.0.0.1/" }),
            Code::EgressDenied,
            "10.0.0.0/8",
        ),
        (
            json!({ "url": "http://[::ffff:a00:1]/" }),
            Code::EgressDenied,
            "10.0.0.0/8",
        ),
        (
            json!({ "url": "http://169.254.169.254/" }),
            Code::EgressDenied,
            "metadata",
        ),
        (
            json!({ "url": "ftp://a.com/" }),
            Code::InvalidArgument,
            "`url`: the scheme \"ftp\"",
        ),
        (
            json!({ "url": "http://a:b@a.com/" }),
            Code::InvalidArgument,
            "`url`",
        ),
        (
            json!({ "url": "http://a.com/", "timeout": 121 }),
            Code::InvalidArgument,
            "120",
        ),
        (
            json!({ "url": "http://a.com/", "method": "TRACE" }),
            Code::InvalidArgument,
            "TRACE",
        ),
        (
            json!({ "url": "http://a.com/", "verify": false }),
            Code::InvalidArgument,
            "verify",
        ),
        (
            json!({ "url": "http://a.com/", "headers": { "X": "a\r\nY: b" } }),
            Code::InvalidArgument,
            "`headers`: the value of the header x",
        ),
        (
            json!({ "url": "http://a.com/", "headers": { "Host": "b.com" } }),
            Code::InvalidArgument,
            "`headers`: the header host",
        ),
    ] {
        let error = try_send(arguments.clone()).await.unwrap_err();
        assert_eq!(error.code(), code, "{arguments}");
        assert!(
            error.message().contains(part),
            "{arguments}: {}",
            error.message()
        );
    }
}
