//! A bridge to a running server that remembers.

use mcp_tests::{Era, Peer, Setup, Stdio, until};
use serde_json::{Value, json};

#[test]
fn a_bridge_passes_on_what_changed() {
    let mut server = Setup::memory().http();
    let (_, token) = server.token.clone().unwrap();
    let uri = "memory://user/general/watched";
    server.succeed(
        "remember",
        json!({ "key": "watched", "value": "0", "category": "general", "source": "user" }),
    );
    for era in [Era::Legacy, Era::Modern] {
        let mut client = Setup::memory()
            .variable("A2A_HTTP__TOKEN_FILE", token.to_str().unwrap())
            .arguments(&["--http", &server.address.to_string(), "attach"])
            .stdio(era);
        if era == Era::Legacy {
            client
                .request("resources/subscribe", json!({ "uri": uri }))
                .unwrap();
        } else {
            let filter = json!({ "notifications": { "resourceSubscriptions": [uri] } });
            client.send("subscriptions/listen", filter);
            let heard = heard_by(&mut client, "the acknowledgement");
            assert_eq!(
                heard[0]["method"],
                "notifications/subscriptions/acknowledged"
            );
        }
        let value = format!("{era:?}");
        server.succeed(
            "remember",
            json!({ "key": "watched", "value": value, "category": "general", "source": "user" }),
        );
        let heard = heard_by(&mut client, "the change");
        assert_eq!(
            heard[0]["method"], "notifications/resources/updated",
            "{heard:?}"
        );
        assert_eq!(heard[0]["params"]["uri"], uri);
    }
}

/// What the client is told that it did not ask for, once there is something.
fn heard_by(client: &mut Stdio, what: &str) -> Vec<Value> {
    let mut heard = Vec::new();
    until(what, || {
        client.assert_alive();
        heard.extend(client.others());
        !heard.is_empty()
    });
    heard
}
