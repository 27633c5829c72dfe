//! What a client calls: writes of every kind, with reads in between.

use mcp_tests::Dice;
use serde_json::{Value, json};

/// Names that all writers of a round fight for.
pub(crate) const KEYS: u64 = 12;
/// Calls that a client sends before it reads an answer.
const CALLS: usize = 40;

/// What a write puts into an entry's history.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    /// This value.
    Says(String),
    /// That it is gone.
    Gone,
    /// What it said at that revision.
    Again(u64),
}

/// A call, and what it writes where, all or nothing. A read writes nothing.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) tool: &'static str,
    pub(crate) arguments: Value,
    pub(crate) acts: Vec<(String, Act)>,
}

/// What one client calls in a round; `writer` is in each of its values, which are all different.
pub(crate) fn script(dice: &mut Dice, round: u64, writer: &str) -> Vec<Step> {
    (0..CALLS)
        .map(|n| {
            let mut author = Author {
                dice,
                round,
                name: format!("{writer}n{n}"),
            };
            author.step()
        })
        .collect()
}

struct Author<'a> {
    dice: &'a mut Dice,
    round: u64,
    name: String,
}

impl Author<'_> {
    fn key(&mut self) -> String {
        format!("r{}k{}", self.round, self.dice.roll(0..KEYS))
    }

    /// A word that no other value has, and others: mostly some, at times more than a page holds.
    fn value(&mut self, part: usize) -> String {
        let words = if self.dice.once_in(12) { 900 } else { 30 };
        let words = usize::try_from(self.dice.roll(0..words)).unwrap();
        // One word of letters alone: a search takes others apart.
        let letter = |c: char| match c {
            '0'..='9' => char::from(u8::try_from(c).unwrap() - b'0' + b'a'),
            other => other,
        };
        let word: String = format!("{}p{part}z", self.name)
            .chars()
            .map(letter)
            .collect();
        format!("{word}{}", " and so on".repeat(words))
    }

    fn step(&mut self) -> Step {
        match self.dice.roll(0..10) {
            0..=3 => self.remember(),
            4 => self.batch(),
            5 => {
                let key = self.key();
                step("forget", json!({ "key": key }), vec![(key, Act::Gone)])
            }
            6 => {
                let (key, revision) = (self.key(), self.dice.roll(1..6));
                let arguments = json!({ "key": key, "revision": revision });
                let acts = vec![(key, Act::Again(revision))];
                step("restore_memory", arguments, acts)
            }
            7 => {
                let query = json!({ "query": "and so on", "mode": "text", "limit": 3 });
                step("search_knowledge", query, Vec::new())
            }
            8 => step("list_memories", json!({ "limit": 3 }), Vec::new()),
            _ => step("batch_recall", json!({ "keys": [self.key()] }), Vec::new()),
        }
    }

    fn remember(&mut self) -> Step {
        let (key, value) = (self.key(), self.value(0));
        let arguments = json!({ "key": key, "value": value });
        step("remember", arguments, vec![(key, Act::Says(value))])
    }

    /// Several entries of different names.
    fn batch(&mut self) -> Step {
        let first = self.dice.roll(0..KEYS);
        let acts: Vec<(String, Act)> = (0..3)
            .map(|part| {
                let key = format!("r{}k{}", self.round, (first + part) % KEYS);
                let value = self.value(usize::try_from(part).unwrap());
                (key, Act::Says(value))
            })
            .collect();
        let item = |(key, act): &(String, Act)| match act {
            Act::Says(value) => json!({ "key": key, "value": value }),
            Act::Gone | Act::Again(_) => unreachable!("a batch only writes"),
        };
        let items: Vec<Value> = acts.iter().map(item).collect();
        step("batch_remember", json!({ "items": items }), acts)
    }
}

fn step(tool: &'static str, arguments: Value, acts: Vec<(String, Act)>) -> Step {
    Step {
        tool,
        arguments,
        acts,
    }
}
