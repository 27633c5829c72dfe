//! A case as its file tells it. `tests/attacks/README.md` explains every word.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Class {
    /// What every case has unless it says otherwise itself.
    #[serde(default)]
    every: toml::Table,
    case: Vec<toml::Table>,
}

/// One attack: what there is, what is done, and what must have come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// What it attempts, in a line, with the advisory where there is one.
    pub(crate) attempt: String,
    /// Texts for `@{name}`.
    #[serde(default)]
    pub(crate) words: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) stage: Props,
    #[serde(default)]
    pub(crate) server: Start,
    pub(crate) steps: Vec<Step>,
    pub(crate) effects: Effects,
}

/// What is on the stage before the server starts. Paths are relative to the stage.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Props {
    pub(crate) directories: Vec<String>,
    pub(crate) files: BTreeMap<String, File>,
    /// Symbolic links, by what they lead to.
    pub(crate) links: BTreeMap<String, String>,
    /// Hard links, by the file on the stage that they are another name of.
    pub(crate) hard_links: BTreeMap<String, String>,
    pub(crate) pipes: Vec<String>,
    /// Listening UNIX sockets; a name that starts with `@` is abstract.
    pub(crate) sockets: Vec<String>,
    pub(crate) sites: BTreeMap<String, Site>,
    /// Addresses of names, handed out one after the other.
    pub(crate) names: BTreeMap<String, Vec<IpAddr>>,
    pub(crate) processes: BTreeMap<String, Owner>,
}

/// A file: its text, or more.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum File {
    Text(String),
    Described(Described),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Described {
    pub(crate) text: String,
    pub(crate) bytes: Vec<u8>,
    /// Grown to this size by a hole.
    pub(crate) hole_bytes: u64,
    pub(crate) mode: Option<u32>,
    pub(crate) owner: Owner,
}

/// Whose a file or process is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Owner {
    /// The server's user.
    #[default]
    Server,
    /// The user who runs the tests: another one if that is root.
    Other,
}

/// A TCP server that answers each connection alike, listening on every address.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Site {
    /// The status line and the fields, a line each.
    #[serde(default = "plain_head")]
    pub(crate) head: String,
    #[serde(default)]
    pub(crate) body: String,
    /// How often the body is sent.
    #[serde(default = "once")]
    pub(crate) times: usize,
    /// Time between the bodies.
    #[serde(default)]
    pub(crate) pause_ms: u64,
    /// How often all of the body is compressed by gzip before it is sent.
    #[serde(default)]
    pub(crate) gzip: u8,
}

fn plain_head() -> String {
    "HTTP/1.1 200 OK\nContent-Type: text/html; charset=utf-8".to_owned()
}

fn once() -> usize {
    1
}

/// How the server is started.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Start {
    pub(crate) transport: Transport,
    pub(crate) era: Era,
    pub(crate) configuration: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) variables: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    #[default]
    Stdio,
    Http,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Era {
    Legacy,
    #[default]
    Modern,
}

/// One thing that the attacker does.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Step {
    Call(CallStep),
    Line(LineStep),
    Http(HttpStep),
}

/// A call of a tool.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallStep {
    pub(crate) call: String,
    #[serde(default)]
    pub(crate) with: Map<String, Value>,
    #[serde(default)]
    pub(crate) answer: Outcomes,
}

/// A line on standard input.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LineStep {
    pub(crate) line: String,
    /// Bytes to send after the text of `line`.
    #[serde(default)]
    pub(crate) bytes: Vec<u8>,
    /// The request that must be answered, if one must.
    pub(crate) id: Option<u64>,
    #[serde(default)]
    pub(crate) answer: Outcomes,
}

/// A request to the HTTP transport, as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpStep {
    /// The method and the fields, a line each.
    pub(crate) http: String,
    #[serde(default)]
    pub(crate) body: String,
    /// The statuses that are right.
    pub(crate) status: Vec<u16>,
}

/// The answers that are right; any, if none is named.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "OneOrMore")]
pub(crate) struct Outcomes(pub(crate) Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Outcomes {
    fn from(outcomes: OneOrMore) -> Self {
        match outcomes {
            OneOrMore::One(outcome) => Self(vec![outcome]),
            OneOrMore::More(outcomes) => Self(outcomes),
        }
    }
}

/// What is looked at when all steps are done.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Effects {
    pub(crate) unchanged: Vec<String>,
    pub(crate) absent: Vec<String>,
    pub(crate) holding: BTreeMap<String, String>,
    pub(crate) listing: BTreeMap<String, Vec<String>>,
    pub(crate) undisclosed: Vec<String>,
    pub(crate) disclosed: Vec<String>,
    pub(crate) uncontacted: Vec<String>,
    pub(crate) contacted: Vec<String>,
    /// Texts that a site was not sent, by the site.
    pub(crate) unreceived: BTreeMap<String, Vec<String>>,
    pub(crate) alive: Vec<String>,
    pub(crate) ended: Vec<String>,
    pub(crate) gone: Vec<String>,
    pub(crate) peak_memory_below: Option<u64>,
    pub(crate) answers_below: Option<usize>,
    pub(crate) within_ms: Option<u64>,
    pub(crate) printable: bool,
}

/// The cases of a file.
pub(crate) fn parse(text: &str) -> Vec<Case> {
    let class: Class = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
    let parse = |own: toml::Table| {
        let whole = merged(class.every.clone(), own);
        let shown = whole["name"].clone();
        Case::deserialize(whole).unwrap_or_else(|error| panic!("{shown}: {error}"))
    };
    class.case.into_iter().map(parse).collect()
}

/// `base` with what `own` says instead: tables are merged, everything else is replaced.
fn merged(mut base: toml::Table, own: toml::Table) -> toml::Table {
    for (key, value) in own {
        let value = match (base.remove(&key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(own)) => {
                toml::Value::Table(merged(base, own))
            }
            (_, value) => value,
        };
        base.insert(key, value);
    }
    base
}
