//! Lists, readings, completions and prompts.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_library_is_declared_and_offered() {
    for era in ERAS {
        let handler = handler(Some(&Notes::new(&["a"])));
        let mut client = Client::open(era, &handler).await;
        let declared = json!({
            "completions": {},
            "prompts": {},
            "resources": { "subscribe": true, "listChanged": true },
            "tools": {},
        });
        assert_eq!(client.capabilities(), &declared, "{era:?}");
        let listed = client.request("resources/templates/list", json!({})).await;
        let template = &listed.unwrap()["resourceTemplates"][0];
        assert_eq!(template["uriTemplate"], "note:{name}", "{era:?}");
        let listed = client.request("prompts/list", json!({})).await.unwrap();
        let prompt = &listed["prompts"][0];
        assert_eq!(prompt["name"], "explain", "{era:?}");
        assert_eq!(prompt["arguments"][0]["required"], true, "{era:?}");
    }
}

#[tokio::test]
async fn lists_come_in_pages_and_a_strange_cursor_is_refused() {
    for era in ERAS {
        let handler = handler(Some(&Notes::new(&["a", "b", "c"])));
        let mut client = Client::open(era, &handler).await;
        let mut page = client.request("resources/list", json!({})).await.unwrap();
        assert_eq!(page["resources"].as_array().unwrap().len(), 2, "{era:?}");
        assert_eq!(
            page["resources"][0]["annotations"]["lastModified"], "2026-01-31T12:00:00Z",
            "{era:?}"
        );
        let cursor = page["nextCursor"].take();
        let page = client.request("resources/list", json!({ "cursor": cursor }));
        let page = page.await.unwrap();
        assert_eq!(page["resources"][0]["uri"], "note:c", "{era:?}");
        assert_eq!(page.get("nextCursor"), None, "{era:?}");
        for method in ["resources/list", "resources/templates/list", "prompts/list"] {
            let strange = json!({ "cursor": "strange" });
            let refused = client.request(method, strange).await.unwrap_err();
            assert_eq!(refused["code"], -32602, "{era:?} {method}: {refused}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_has_the_code_of_its_era() {
    for (era, code) in [(Era::Legacy, -32002), (Era::Modern, -32602)] {
        let handler = handler(Some(&Notes::new(&["a"])));
        let mut client = Client::open(era, &handler).await;
        let read = client.request("resources/read", json!({ "uri": "note:a" }));
        let contents = read.await.unwrap()["contents"].take();
        let expected = json!([{ "uri": "note:a", "mimeType": "text/plain", "text": "Of a." }]);
        assert_eq!(contents, expected, "{era:?}");
        let read = client.request("resources/read", json!({ "uri": "note:z" }));
        let refused = read.await.unwrap_err();
        assert_eq!(refused["code"], code, "{era:?}");
        assert_eq!(refused["data"]["uri"], "note:z", "{era:?}");
        let malformed = client.request("resources/read", json!({ "url": 1 })).await;
        assert_eq!(malformed.unwrap_err()["code"], -32602, "{era:?}");
    }
}

#[tokio::test]
async fn arguments_are_completed_and_prompts_filled() {
    for era in ERAS {
        let handler = handler(Some(&Notes::new(&["tea", "team", "water"])));
        let mut client = Client::open(era, &handler).await;
        for of in [
            json!({ "type": "ref/resource", "uri": "note:{name}" }),
            json!({ "type": "ref/prompt", "name": "explain" }),
        ] {
            let params = json!({ "ref": of, "argument": { "name": "name", "value": "te" } });
            let completed = client.request("completion/complete", params).await;
            let expected = json!({ "values": ["tea", "team"], "total": 2, "hasMore": false });
            assert_eq!(completed.unwrap()["completion"], expected, "{era:?}");
        }
        let unknown = json!({
            "ref": { "type": "ref/prompt", "name": "sing" },
            "argument": { "name": "name", "value": "" },
        });
        let refused = client.request("completion/complete", unknown).await;
        assert_eq!(refused.unwrap_err()["code"], -32602, "{era:?}");

        let told = json!({ "name": "explain", "arguments": { "name": "tea" } });
        let messages = client.request("prompts/get", told).await.unwrap()["messages"].take();
        assert_eq!(messages[0]["content"]["resource"]["text"], "Of tea.");
        assert_eq!(messages[1]["content"]["text"], "Explain it.");
        for params in [json!({ "name": "explain" }), json!({ "name": "sing" })] {
            let refused = client.request("prompts/get", params).await.unwrap_err();
            assert_eq!(refused["code"], -32602, "{era:?}");
        }
    }
}

#[test]
fn a_reference_names_what_a_library_offers() {
    #[derive(Default, serde::Serialize, schemars::JsonSchema)]
    struct Config {}

    let plain = crate::reference::<Config>(&handler(None).shared.pipeline, "TEST_");
    assert_eq!((plain.get("resources"), plain.get("prompts")), (None, None));
    let handler = handler(Some(&Notes::new(&[])));
    let with_notes = crate::reference::<Config>(&handler.shared.pipeline, "TEST_");
    assert_eq!(with_notes["resources"][0]["template"], "note:{name}");
    assert_eq!(with_notes["prompts"][0]["arguments"][0]["name"], "name");
}
