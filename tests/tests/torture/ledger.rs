//! What was promised to clients, and whether the memory keeps it.

use std::collections::{BTreeMap, BTreeSet};

use mcp_tests::{Peer, Stdio};
use serde_json::{Value, json};

use crate::script::{Act, Step};

/// What writers of one file were told, and what they may have done without being told.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// By name and revision.
    told: BTreeMap<String, BTreeMap<u64, Act>>,
    /// Writes that were under way when their server was killed: each was made wholly or not at all.
    untold: Vec<Vec<(String, Act)>>,
    names: BTreeSet<String>,
}

impl Ledger {
    /// How many writes were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.told.values().map(BTreeMap::len).sum()
    }

    /// How many writes were under way when their server was killed.
    pub(crate) fn under_way(&self) -> usize {
        self.untold.len()
    }

    /// Takes down how a call was answered, if it was.
    #[track_caller]
    pub(crate) fn enter(&mut self, step: Step, response: Option<Value>) {
        self.names
            .extend(step.acts.iter().map(|(name, _)| name.clone()));
        let Some(response) = response else {
            if !step.acts.is_empty() {
                self.untold.push(step.acts);
            }
            return;
        };
        let result = &response["result"];
        if result["isError"] == json!(true) {
            // Nothing to forget or to restore is the only thing that may be wrong.
            let text = result["content"][0]["text"].as_str().unwrap();
            let may_miss = matches!(step.tool, "forget" | "restore_memory");
            assert!(
                may_miss && text.contains("\"not_found\""),
                "{}: {text}",
                step.tool
            );
            return;
        }
        let reply = &result["structuredContent"];
        assert!(reply.is_object(), "{}: {response}", step.tool);
        for (at, (name, act)) in step.acts.into_iter().enumerate() {
            let revision = match step.tool {
                "batch_remember" => &reply["results"][at]["revision"],
                _ => &reply["revision"],
            };
            let revision = revision
                .as_u64()
                .unwrap_or_else(|| panic!("no revision: {reply}"));
            let before = self
                .told
                .entry(name.clone())
                .or_default()
                .insert(revision, act);
            assert_eq!(
                before, None,
                "revision {revision} of {name} was given twice"
            );
        }
    }

    /// Compares what the server knows of every name with what was told.
    #[track_caller]
    pub(crate) fn check(&self, server: &mut Stdio) {
        let mut made: BTreeMap<(String, Act), usize> = BTreeMap::new();
        for name in &self.names {
            let history = history(server, name);
            for act in self.untold_acts(name, &history) {
                *made.entry((name.clone(), act)).or_default() += 1;
            }
            check_now(server, name, history.last().cloned().flatten());
        }
        for attempt in self.untold.iter().filter(|attempt| attempt.len() > 1) {
            let done = attempt.iter().filter(|part| made.contains_key(part));
            let done = done.count();
            assert!(
                done == 0 || done == attempt.len(),
                "half done: {attempt:.500?}"
            );
        }
        for (part, count) in made {
            let tried = self.untold.iter().flatten().cloned().map(unnumbered);
            let tried = tried.filter(|tried| *tried == part).count();
            assert!(count <= tried, "{part:.200?}: {count} of {tried}");
        }
    }

    /// Checks that a history is dense and holds all that was told; returns the rest of it.
    #[track_caller]
    fn untold_acts(&self, name: &str, history: &[Option<String>]) -> Vec<Act> {
        let none = BTreeMap::new();
        let told = self.told.get(name).unwrap_or(&none);
        let last = told.keys().next_back().copied().unwrap_or(0);
        assert!(last <= count(history), "{name}: revision {last} is lost");
        let said = |revision: u64| {
            let at = usize::try_from(revision).unwrap() - 1;
            history[at].as_deref()
        };
        let mut untold = Vec::new();
        for revision in 1..=count(history) {
            let here = said(revision);
            match told.get(&revision) {
                Some(Act::Says(value)) => {
                    assert_eq!(here, Some(value.as_str()), "{name} {revision}");
                }
                Some(Act::Gone) => assert_eq!(here, None, "{name} {revision}"),
                Some(Act::Again(earlier)) => assert_eq!(here, said(*earlier), "{name} {revision}"),
                None => untold.push(self.explain(name, revision, history)),
            }
        }
        untold
    }

    /// Which write that nobody was told of made this revision.
    #[track_caller]
    fn explain(&self, name: &str, revision: u64, history: &[Option<String>]) -> Act {
        let at = usize::try_from(revision).unwrap() - 1;
        let here = &history[at];
        let fits = |act: &&Act| match (act, here) {
            (Act::Says(value), Some(here)) => {
                // Said before, it was not written but restored.
                value == here && !history[..at].contains(&Some(here.clone()))
            }
            (Act::Gone, here) => here.is_none(),
            (Act::Again(earlier), Some(_)) => {
                *earlier < revision && history[usize::try_from(*earlier).unwrap() - 1] == *here
            }
            (_, None) => false,
        };
        let tried = self
            .untold
            .iter()
            .flatten()
            .filter(|(tried, _)| tried == name);
        let found = tried.map(|(_, act)| act).find(fits).cloned();
        let found = found.map(|act| unnumbered((name.to_owned(), act)).1);
        found.unwrap_or_else(|| panic!("nobody wrote revision {revision} of {name}: {here:.200?}"))
    }
}

/// Values that were restored may have been said more than once, so which of them is not told apart.
fn unnumbered((name, act): (String, Act)) -> (String, Act) {
    match act {
        Act::Again(_) => (name, Act::Again(0)),
        Act::Says(_) | Act::Gone => (name, act),
    }
}

/// What the entry said at revision 1, 2, ...: no revision is missing and none is there twice.
#[track_caller]
fn history(server: &mut Stdio, name: &str) -> Vec<Option<String>> {
    let mut versions: Vec<Value> = Vec::new();
    loop {
        let mut arguments = json!({ "key": name, "limit": 200 });
        if let Some(last) = versions.last() {
            arguments["before"] = last["revision"].clone();
        }
        let reply = server.call("memory_history", arguments);
        if reply.is_error() {
            assert_eq!(reply.error()["code"], "not_found", "{name}");
            return Vec::new();
        }
        let page = reply.content();
        versions.extend(page["versions"].as_array().unwrap().iter().cloned());
        if page["more"] == json!(false) {
            break;
        }
    }
    versions.reverse();
    let revisions: Vec<u64> = versions
        .iter()
        .filter_map(|version| version["revision"].as_u64())
        .collect();
    let dense: Vec<u64> = (1..=count(&versions)).collect();
    assert_eq!(revisions, dense, "{name}");
    let value = |version: &Value| version["value"].as_str().map(str::to_owned);
    versions.iter().map(value).collect()
}

/// Checks that an entry says what its history ends with, and is found by it.
#[track_caller]
fn check_now(server: &mut Stdio, name: &str, last: Option<String>) {
    let reply = server.call("recall", json!({ "key": name }));
    let Some(value) = last else {
        assert_eq!(reply.error()["code"], "not_found", "{name}");
        return;
    };
    assert_eq!(reply.content()["value"], json!(value), "{name}");
    let word = value.split_whitespace().next();
    let query = json!({ "query": word, "mode": "text", "limit": 1 });
    let found = server.succeed("search_knowledge", query);
    assert_eq!(found["results"][0]["key"], json!(name), "{word:?}");
}

fn count<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap()
}
