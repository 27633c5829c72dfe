//! What the library promises, over a store of its own and through a pipeline.

use std::path::PathBuf;
use std::time::Instant;

use futures_util::StreamExt;
use mcp_toolcall::{Caller, Catalog, Clean, Content, Pipeline};
use serde_json::{Map, json};

use super::*;
use crate::knowledge::{Category, Draft, Identity, Key, Source, Value};
use crate::store::StoreConfig;

/// Finds entries whose value holds the topic, newest first.
struct Holding(Arc<Store>);

impl Find for Holding {
    async fn find(&self, topic: &str, limit: NonZeroU32) -> Result<Vec<Entry>, ToolError> {
        let all = self.0.list(&Filter::default(), None, PAGE).await;
        let mut entries = all.map_err(refused)?.entries;
        entries.retain(|entry| entry.value.as_str().contains(topic));
        entries.truncate(usize::try_from(limit.get()).unwrap());
        Ok(entries)
    }
}

struct Stage {
    store: Arc<Store>,
    pipeline: Pipeline,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

async fn stage() -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("knowledge.db");
    let store = Store::open(&path, &StoreConfig::default()).await.unwrap();
    let store = Arc::new(store);
    let memories = Memories::new(Arc::clone(&store), Holding(Arc::clone(&store)));
    Stage {
        pipeline: Pipeline::with_defaults(Catalog::default()).with_library(memories),
        store,
        path,
        _directory: directory,
    }
}

fn identity(category: &str, key: &str) -> Identity {
    Identity {
        source: Source::default(),
        category: category.parse::<Category>().unwrap(),
        key: key.parse::<Key>().unwrap(),
    }
}

async fn put(store: &Store, category: &str, key: &str, value: &str) {
    let value = Value::try_from(value.to_owned()).unwrap();
    let draft = Draft::new(identity(category, key), value);
    store.put(draft).await.unwrap();
}

fn someone() -> Call {
    Call::unwatched(Caller::new("someone"))
}

#[tokio::test]
async fn every_entry_is_listed_once_and_read_by_its_uri() {
    let stage = stage().await;
    for number in 0..250 {
        put(&stage.store, "a/b", &format!("key {number}"), "text").await;
    }
    let library = stage.pipeline.library().unwrap();
    let mut uris = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = library.list(cursor.as_deref(), &someone()).await;
        let page = page.map(Clean::into_inner).unwrap();
        uris.extend(page.resources.into_iter().map(|resource| resource.uri));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    uris.sort();
    uris.dedup();
    assert_eq!(uris.len(), 250);
    assert!(uris.contains(&"memory://user/a%2Fb/key%207".to_owned()));
    let read = library.read("memory://user/a%2fb/key 7", &someone()).await;
    let read = read.unwrap().into_inner();
    assert_eq!(read[0].uri, "memory://user/a%2Fb/key%207");
    assert_eq!(read[0].text, "text");
    for (uri, code) in [
        ("memory://user/a%2Fb/other", Code::NotFound),
        ("file:///etc/passwd", Code::NotFound),
    ] {
        let error = library.read(uri, &someone()).await.unwrap_err();
        assert_eq!(error.code(), code, "{uri}");
    }
    let error = library.list(Some("strange"), &someone()).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn names_are_completed_within_what_is_given() {
    let stage = stage().await;
    for (category, key) in [
        ("rust", "async"),
        ("ruby", "async"),
        ("rust", "as_%"),
        ("go", "as"),
    ] {
        put(&stage.store, category, key, "text").await;
    }
    let complete = async |of: Completable, argument: &str, prefix: &str, given: &[(&str, &str)]| {
        let given = given
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let asked = Completing {
            of,
            argument: argument.to_owned(),
            prefix: prefix.to_owned(),
            given: given.collect(),
        };
        let library = stage.pipeline.library().unwrap();
        let completed = library.complete(&asked, &someone()).await;
        completed.unwrap().into_inner().values
    };
    let template = || Completable::Template(TEMPLATE.to_owned());
    let none: &[(&str, &str)] = &[];
    assert_eq!(
        complete(template(), "category", "ru", none).await,
        ["ruby", "rust"]
    );
    assert_eq!(complete(template(), "source", "", none).await, ["user"]);
    assert_eq!(
        complete(template(), "key", "as", none).await,
        ["as", "as_%", "async"]
    );
    let of_rust: &[(&str, &str)] = &[("source", "user"), ("category", "rust")];
    assert_eq!(
        complete(template(), "key", "as", of_rust).await,
        ["as_%", "async"]
    );
    assert_eq!(
        complete(template(), "key", "as_", none).await,
        ["as_%"],
        "no pattern"
    );
    let nobody: &[(&str, &str)] = &[("source", "")];
    assert!(complete(template(), "key", "", nobody).await.is_empty());
    let prompt = Completable::Prompt("summarise_category".to_owned());
    assert_eq!(complete(prompt, "category", "g", none).await, ["go"]);
}

#[tokio::test]
async fn a_hundred_values_are_given_and_all_are_counted() {
    let stage = stage().await;
    for number in 0..120 {
        put(&stage.store, "general", &format!("k{number:03}"), "text").await;
    }
    let asked = Completing {
        of: Completable::Template(TEMPLATE.to_owned()),
        argument: "key".to_owned(),
        prefix: "k".to_owned(),
        given: BTreeMap::new(),
    };
    let library = stage.pipeline.library().unwrap();
    let completed = library
        .complete(&asked, &someone())
        .await
        .unwrap()
        .into_inner();
    let counted = (completed.values.len(), completed.total, completed.has_more);
    assert_eq!(counted, (100, Some(120), true));
}

#[tokio::test]
async fn another_process_is_heard_within_a_second() {
    let stage = stage().await;
    put(&stage.store, "general", "here", "before").await;
    let library = stage.pipeline.library().unwrap();
    let mut stream = library.changes().await.unwrap();
    // A store of its own on the same file is what another process would be.
    let other = Store::open(&stage.path, &StoreConfig::default())
        .await
        .unwrap();
    let mut expect = async |uri: &str, list: bool| {
        let changed = tokio::time::timeout(Duration::from_secs(4), stream.next()).await;
        let changed = changed.expect("a change").unwrap();
        assert_eq!((changed.uris, changed.list), (vec![uri.to_owned()], list));
    };
    let started = Instant::now();
    put(&other, "general", "here", "after").await;
    expect("memory://user/general/here", false).await;
    put(&other, "general", "new", "text").await;
    expect("memory://user/general/new", true).await;
    other
        .delete(identity("general", "new"), None)
        .await
        .unwrap();
    expect("memory://user/general/new", true).await;
    // A later life of the same key.
    put(&stage.store, "general", "new", "text").await;
    expect("memory://user/general/new", true).await;
    let each = started.elapsed() / 4;
    assert!(each < Duration::from_secs(1), "{each:?} on average");
}

#[tokio::test]
async fn what_came_before_is_not_told() {
    let stage = stage().await;
    put(&stage.store, "general", "old", "text").await;
    let library = stage.pipeline.library().unwrap();
    let mut stream = library.changes().await.unwrap();
    let quiet = tokio::time::timeout(EVERY_AND_MORE, stream.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

/// Longer than the store is looked at twice.
const EVERY_AND_MORE: Duration = Duration::from_millis(900);

/// The texts that a prompt brings: what is asked first, then the entries' values.
async fn prompt(stage: &Stage, name: &str, arguments: serde_json::Value) -> Vec<String> {
    let serde_json::Value::Object(arguments) = arguments else {
        panic!("arguments are an object")
    };
    let library = stage.pipeline.library().unwrap();
    let reply = library.prompt(name, arguments, &someone()).await.unwrap();
    let messages = reply.into_inner().messages.into_iter();
    let text = |content| match content {
        Content::Text(text) => text,
        Content::Document(document) => document.text,
    };
    messages.map(|message| text(message.content)).collect()
}

#[tokio::test]
async fn a_topic_brings_what_is_found() {
    let stage = stage().await;
    put(&stage.store, "general", "one", "tea is green").await;
    put(&stage.store, "general", "two", "coffee is black").await;
    let texts = prompt(&stage, "recall_topic", json!({ "topic": "tea" })).await;
    assert_eq!(texts[1..], ["tea is green"]);
    assert!(texts[0].contains("topic: tea"), "{}", texts[0]);
    assert!(
        texts[0].contains("memory://user/general/one (2"),
        "{}",
        texts[0]
    );
    let texts = prompt(&stage, "recall_topic", json!({ "topic": "milk" })).await;
    assert_eq!(texts.len(), 1);
    assert!(texts[0].contains("Nothing is remembered"), "{}", texts[0]);
}

#[tokio::test]
async fn a_category_brings_its_newest_as_far_as_they_fit() {
    let stage = stage().await;
    put(&stage.store, "plans", "huge", &"x".repeat(200 * 1024)).await;
    for number in 0..110 {
        put(
            &stage.store,
            "plans",
            &format!("p{number}"),
            &format!("plan {number}"),
        )
        .await;
    }
    put(&stage.store, "other", "o", "not this").await;
    let texts = prompt(&stage, "summarise_category", json!({ "category": "plans" })).await;
    assert_eq!((texts.len(), texts[1].as_str()), (101, "plan 109"));
    assert!(
        texts[0].contains("11 older ones are not shown"),
        "{}",
        texts[0]
    );
    for number in 0..110 {
        let identity = identity("plans", &format!("p{number}"));
        stage.store.delete(identity, None).await.unwrap();
    }
    let texts = prompt(&stage, "summarise_category", json!({ "category": "plans" })).await;
    assert_eq!(texts.len(), 1);
    assert!(texts[0].contains("Too long to be shown"), "{}", texts[0]);
    assert!(
        texts[0].contains("memory://user/plans/huge"),
        "{}",
        texts[0]
    );
    let nobody = json!({ "category": "plans", "source": "nobody" });
    let texts = prompt(&stage, "summarise_category", nobody).await;
    assert!(texts[0].contains("The category is empty"), "{}", texts[0]);
    let arguments = Map::from_iter([("category".to_owned(), json!(" "))]);
    let library = stage.pipeline.library().unwrap();
    let refused = library
        .prompt("summarise_category", arguments, &someone())
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
}
