//! A handler over real transports, in both eras.

mod client;
mod http;
mod notes;
mod reading;
mod subscriptions;

use std::sync::Arc;

use mcp_toolcall::{Catalog, Pipeline};
use serde_json::json;

use self::client::{Client, Era};
use self::notes::Notes;
use super::*;

const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

fn handler(notes: Option<&Notes>) -> Handler {
    let pipeline = Pipeline::with_defaults(Catalog::default());
    let pipeline = match notes {
        Some(notes) => pipeline.with_library(notes.clone()),
        None => pipeline,
    };
    let identity = Identity {
        name: "test-mcp",
        title: "Test",
        version: "1",
        instructions: "Read.",
        ops_port: 0,
    };
    Handler::new(identity, Arc::new(pipeline), 1 << 20, Transport::Stdio)
}

#[tokio::test]
async fn what_is_not_declared_is_an_unknown_method() {
    for era in ERAS {
        let handler = handler(None);
        let mut client = Client::open(era, &handler).await;
        let declared = json!({ "tools": {} });
        assert_eq!(client.capabilities(), &declared, "{era:?}");
        for (method, params) in [
            ("resources/list", json!({})),
            ("resources/templates/list", json!({})),
            ("resources/read", json!({ "uri": "note:a" })),
            ("resources/subscribe", json!({ "uri": "note:a" })),
            ("resources/unsubscribe", json!({ "uri": "note:a" })),
            ("resources/subscribe", json!({})),
            ("subscriptions/listen", json!({ "notifications": {} })),
            ("prompts/list", json!({})),
            ("prompts/get", json!({ "name": "a" })),
            (
                "completion/complete",
                json!({
                    "ref": { "type": "ref/prompt", "name": "a" },
                    "argument": { "name": "a", "value": "" },
                }),
            ),
        ] {
            let refused = client.request(method, params).await.unwrap_err();
            assert_eq!(refused["code"], -32601, "{era:?} {method}: {refused}");
        }
    }
}

/// Bytes of the future that a method of the handler is.
fn size<A, F>(_: impl FnOnce(&'static Handler, A, RequestContext<RoleServer>) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn futures_of_requests_are_small() {
    let sizes = [
        ("call_tool", size(Handler::call_tool)),
        ("list_tools", size(Handler::list_tools)),
        ("list_resources", size(Handler::list_resources)),
        ("templates", size(Handler::list_resource_templates)),
        ("read_resource", size(Handler::read_resource)),
        ("list_prompts", size(Handler::list_prompts)),
        ("get_prompt", size(Handler::get_prompt)),
        ("complete", size(Handler::complete)),
        ("custom", size(Handler::on_custom_request)),
    ];
    for (method, size) in sizes {
        assert!(size <= 1024, "{method}: {size} bytes of {sizes:?}");
    }
}
