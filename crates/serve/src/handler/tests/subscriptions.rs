//! Who is told of changes, and who no longer.

use serde_json::{Value, json};

use super::*;
use crate::subscriptions::MAX_SUBSCRIPTIONS;

const UPDATED: &str = "notifications/resources/updated";
const LIST_CHANGED: &str = "notifications/resources/list_changed";

fn filter(uris: &[&str]) -> Value {
    json!({ "notifications": { "resourcesListChanged": true, "resourceSubscriptions": uris } })
}

/// Opens a stream and reads its acknowledgement.
async fn listen(client: &mut Client, filter: Value) -> (u64, Value) {
    let id = client.begin("subscriptions/listen", filter).await;
    let mut acknowledged = client.told().await;
    let method = "notifications/subscriptions/acknowledged";
    assert_eq!(acknowledged["method"], method);
    (id, acknowledged["params"]["notifications"].take())
}

#[tokio::test]
async fn a_subscriber_is_told_until_it_unsubscribes() {
    let notes = Notes::new(&["a", "b"]);
    let handler = handler(Some(&notes));
    let mut client = Client::open(Era::Legacy, &handler).await;
    assert_eq!(notes.watches(), 0, "nobody is subscribed");
    let uri = json!({ "uri": "NOTE:a" });
    client
        .request("resources/subscribe", uri.clone())
        .await
        .unwrap();
    notes.write("b", "Other.");
    notes.write("new", "New.");
    notes.write("a", "Changed.");
    let told = client.told().await;
    assert_eq!(told["method"], UPDATED);
    assert_eq!(told["params"]["uri"], "NOTE:a", "its own spelling");
    client.request("resources/unsubscribe", uri).await.unwrap();
    notes.watched(0).await;
    notes.write("a", "Changed again.");
    client.assert_quiet().await;
}

#[tokio::test]
async fn who_has_the_list_is_told_when_it_changes() {
    let notes = Notes::new(&["a"]);
    let handler = handler(Some(&notes));
    let mut client = Client::open(Era::Legacy, &handler).await;
    client.request("resources/list", json!({})).await.unwrap();
    notes.write("a", "Changed.");
    notes.write("new", "New.");
    assert_eq!(client.told().await["method"], LIST_CHANGED);
    client.assert_quiet().await;
}

#[tokio::test]
async fn a_stream_tells_what_its_filter_lets_through_until_it_is_cancelled() {
    let notes = Notes::new(&["a", "b"]);
    let handler = handler(Some(&notes));
    let mut client = Client::open(Era::Modern, &handler).await;
    client.request("resources/list", json!({})).await.unwrap();
    assert_eq!(notes.watches(), 0, "nobody is subscribed");
    let mut asked = filter(&["note:a", "file:///etc/passwd"]);
    asked["notifications"]["toolsListChanged"] = true.into();
    let (id, accepted) = listen(&mut client, asked).await;
    let expected = filter(&["note:a"])["notifications"].take();
    assert_eq!(accepted, expected);

    notes.watched(1).await;
    notes.write("b", "Other.");
    notes.write("a", "Changed.");
    let told = client.told().await;
    assert_eq!(
        (&told["method"], &told["params"]["uri"]),
        (&UPDATED.into(), &"note:a".into())
    );
    let stream = "io.modelcontextprotocol/subscriptionId";
    assert_eq!(told["params"]["_meta"][stream], id);
    notes.write("new", "New.");
    assert_eq!(client.told().await["method"], LIST_CHANGED);

    let params = json!({ "requestId": id });
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
    client.send(&cancel).await;
    notes.watched(0).await;
    notes.write("a", "Changed again.");
    client.assert_quiet().await;
}

#[tokio::test]
async fn a_stream_of_nothing_watches_nothing() {
    let notes = Notes::new(&["a"]);
    let handler = handler(Some(&notes));
    let mut client = Client::open(Era::Modern, &handler).await;
    let nothing = json!({ "notifications": { "resourceSubscriptions": ["file:///a"] } });
    let (_, accepted) = listen(&mut client, nothing).await;
    assert_eq!(accepted, json!({}));
    client.request("server/discover", json!({})).await.unwrap();
    assert!(!handler.shared.feed.is_watching());
}

#[tokio::test]
async fn who_disconnects_is_forgotten() {
    for era in ERAS {
        let notes = Notes::new(&["a"]);
        let handler = handler(Some(&notes));
        let mut client = Client::open(era, &handler).await;
        if era == Era::Legacy {
            let uri = json!({ "uri": "note:a" });
            client.request("resources/subscribe", uri).await.unwrap();
        } else {
            listen(&mut client, filter(&["note:a"])).await;
        }
        notes.watched(1).await;
        drop(client);
        notes.watched(0).await;
        assert!(!handler.shared.feed.is_watching(), "{era:?}");
    }
}

#[tokio::test]
async fn two_connections_share_one_watch() {
    let notes = Notes::new(&["a"]);
    let handler = handler(Some(&notes));
    let mut legacy = Client::open(Era::Legacy, &handler).await;
    let uri = json!({ "uri": "note:a" });
    legacy.request("resources/subscribe", uri).await.unwrap();
    let mut modern = Client::open(Era::Modern, &handler).await;
    listen(&mut modern, filter(&["note:a"])).await;
    notes.write("a", "Changed.");
    assert_eq!(legacy.told().await["method"], UPDATED);
    assert_eq!(modern.told().await["method"], UPDATED);
    assert_eq!(notes.watches(), 1);
}

#[tokio::test]
async fn a_connection_has_so_many_subscriptions() {
    let notes = Notes::new(&["a"]);
    let handler = handler(Some(&notes));
    let mut client = Client::open(Era::Legacy, &handler).await;
    let uri = |number| json!({ "uri": format!("note:{number}") });
    for number in 0..MAX_SUBSCRIPTIONS {
        client
            .request("resources/subscribe", uri(number))
            .await
            .unwrap();
    }
    // One that it has already is no other.
    client.request("resources/subscribe", uri(0)).await.unwrap();
    let more = client.request("resources/subscribe", uri(MAX_SUBSCRIPTIONS));
    let refused = more.await.unwrap_err();
    assert_eq!(refused["code"], -32602);
    client
        .request("resources/unsubscribe", uri(1))
        .await
        .unwrap();
    let more = client.request("resources/subscribe", uri(MAX_SUBSCRIPTIONS));
    more.await.unwrap();

    let mut client = Client::open(Era::Modern, &handler).await;
    let uris: Vec<_> = (0..=MAX_SUBSCRIPTIONS)
        .map(|number| format!("note:{number}"))
        .collect();
    let too_many = json!({ "notifications": { "resourceSubscriptions": uris } });
    let refused = client
        .request("subscriptions/listen", too_many)
        .await
        .unwrap_err();
    assert_eq!(refused["code"], -32602);
}

#[tokio::test]
async fn a_slow_reader_keeps_nobody_waiting_and_hears_of_all() {
    let notes = Notes::new(&["a", "b"]);
    let handler = handler(Some(&notes));
    let mut slow = Client::open(Era::Modern, &handler).await;
    listen(&mut slow, filter(&["note:a", "note:b"])).await;
    let mut quick = Client::open(Era::Modern, &handler).await;
    listen(&mut quick, filter(&["note:b"])).await;
    notes.watched(1).await;
    // Far more than its pipe of 1 KiB holds.
    for number in 0..5000 {
        notes.write("a", &number.to_string());
        tokio::task::yield_now().await;
    }
    notes.write("b", "Changed.");
    let told = quick.told().await;
    assert_eq!(told["params"]["uri"], "note:b");
    let mut count = 1;
    while slow.told().await["params"]["uri"] != "note:b" {
        count += 1;
    }
    assert!(count < 100, "{count} notifications were kept for it");
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams() {
    let notes = Notes::new(&["a"]);
    let handler = handler(Some(&notes));
    let mut client = Client::open(Era::Modern, &handler).await;
    let (id, _) = listen(&mut client, filter(&["note:a"])).await;
    tokio::time::timeout(client::PATIENCE, handler.idle())
        .await
        .unwrap();
    let ended = client.answer(id).await.unwrap();
    assert_eq!(ended["resultType"], "complete");
    notes.watched(0).await;
}
