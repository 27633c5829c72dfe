//! A bridge to a running server that remembers.

use mcp_tests::{Era, Peer, Setup, until};
use serde_json::json;

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
            let mut heard = Vec::new();
            until("the acknowledgement", || {
                client.assert_alive();
                heard.extend(client.others());
                !heard.is_empty()
            });
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
        let mut heard = Vec::new();
        until("the change", || {
            client.assert_alive();
            heard.extend(client.others());
            !heard.is_empty()
        });
        assert_eq!(
            heard[0]["method"], "notifications/resources/updated",
            "{heard:?}"
        );
        assert_eq!(heard[0]["params"]["uri"], uri);
    }
}
