//! What is looked at when the steps of a case are done.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use mcp_tests::alive_with;

use crate::case::{Case, Effects};
use crate::play::Outcome;
use crate::scene::Scene;
use crate::site::Seen;

/// How things stood before the first step.
#[derive(Debug)]
pub(crate) struct Before(BTreeMap<String, Vec<String>>);

impl Before {
    /// Looks at all that a case says must stay unchanged.
    pub(crate) fn look(case: &Case, scene: &Scene) -> Self {
        let look = |name: &String| (name.clone(), portrait(&scene.path(name)));
        Self(case.effects.unchanged.iter().map(look).collect())
    }
}

/// What a check looks at.
struct Sight<'a> {
    effects: &'a Effects,
    scene: &'a mut Scene,
    before: &'a Before,
    outcome: &'a Outcome,
    seen: BTreeMap<String, Seen>,
}

type Check = fn(&mut Sight<'_>) -> Option<String>;

/// Every check, by the word for it in a case.
const CHECKS: [(&str, Check); 16] = [
    ("unchanged", unchanged),
    ("absent", absent),
    ("holding", holding),
    ("listing", listing),
    ("undisclosed", undisclosed),
    ("disclosed", disclosed),
    ("uncontacted", uncontacted),
    ("contacted", contacted),
    ("unreceived", unreceived),
    ("alive", alive),
    ("ended", ended),
    ("gone", gone),
    ("peak_memory_below", peak_memory_below),
    ("answers_below", answers_below),
    ("within_ms", within_ms),
    ("printable", printable),
];

/// The words for the checks.
pub(crate) fn kinds() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|(kind, _)| *kind)
}

/// Every effect that is not as the case wants it.
pub(crate) fn faults(
    case: &Case,
    scene: &mut Scene,
    before: &Before,
    outcome: &Outcome,
) -> Vec<String> {
    let sites = std::mem::take(&mut scene.sites);
    let seen = sites
        .into_iter()
        .map(|(name, site)| (name, site.close()))
        .collect();
    let mut sight = Sight {
        effects: &case.effects,
        scene,
        before,
        outcome,
        seen,
    };
    let fault =
        |(kind, check): &(&str, Check)| check(&mut sight).map(|found| format!("{kind}: {found}"));
    CHECKS.iter().filter_map(fault).collect()
}

/// Everything that can be told of a file or a directory tree, a line for each entry. Times are
/// left out: reading changes them.
fn portrait(path: &Path) -> Vec<String> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return vec![format!("{} is not there", path.display())];
    };
    let about = (
        metadata.ino(),
        metadata.mode(),
        metadata.uid(),
        metadata.nlink(),
    );
    let line = |content: &str| vec![format!("{} {about:?} {content}", path.display())];
    let kind = metadata.file_type();
    if kind.is_symlink() {
        line(&format!("{:?}", fs::read_link(path)))
    } else if kind.is_file() && metadata.len() < 1024 * 1024 {
        line(&format!("{:?}", fs::read(path)))
    } else if kind.is_dir() {
        let entries = fs::read_dir(path).expect("a directory that can be read");
        let mut paths: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        paths.sort();
        let below = paths.iter().flat_map(|path| portrait(path));
        line("").into_iter().chain(below).collect()
    } else {
        line(&metadata.len().to_string())
    }
}

fn unchanged(sight: &mut Sight<'_>) -> Option<String> {
    sight.effects.unchanged.iter().find_map(|name| {
        let now = portrait(&sight.scene.path(name));
        let before = &sight.before.0[name];
        (now != *before).then(|| format!("{name} was {before:.500?} and is {now:.500?}"))
    })
}

fn absent(sight: &mut Sight<'_>) -> Option<String> {
    let is_there = |name: &&String| fs::symlink_metadata(sight.scene.path(name)).is_ok();
    sight.effects.absent.iter().find(is_there).cloned()
}

fn holding(sight: &mut Sight<'_>) -> Option<String> {
    sight.effects.holding.iter().find_map(|(name, text)| {
        let text = sight.scene.words.put_in(text);
        let content = fs::read(sight.scene.path(name));
        let holds = content
            .as_ref()
            .is_ok_and(|content| *content == text.as_bytes());
        (!holds).then(|| format!("{name} is {content:.500?}"))
    })
}

fn listing(sight: &mut Sight<'_>) -> Option<String> {
    sight.effects.listing.iter().find_map(|(name, names)| {
        let entries = fs::read_dir(sight.scene.path(name)).expect("a directory to list");
        let name_of = |entry: std::io::Result<fs::DirEntry>| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        };
        let mut found: Vec<String> = entries.map(name_of).collect();
        found.sort();
        let names: Vec<_> = names
            .iter()
            .map(|name| sight.scene.words.put_in(name))
            .collect();
        (found != names).then(|| format!("{name} holds {found:?}"))
    })
}

fn undisclosed(sight: &mut Sight<'_>) -> Option<String> {
    let told = |text: &&String| {
        let text = sight.scene.words.put_in(text);
        let mut places = sight.outcome.answers.iter().chain([&sight.outcome.errors]);
        places.any(|place| place.contains(&text))
    };
    sight.effects.undisclosed.iter().find(told).cloned()
}

fn disclosed(sight: &mut Sight<'_>) -> Option<String> {
    let untold = |text: &&String| {
        let text = sight.scene.words.put_in(text);
        !sight
            .outcome
            .answers
            .iter()
            .any(|answer| answer.contains(&text))
    };
    sight.effects.disclosed.iter().find(untold).cloned()
}

/// How often a site or a socket was connected to.
fn contacts(sight: &Sight<'_>, name: &str) -> usize {
    if let Some(socket) = sight.scene.sockets.get(name) {
        socket.set_nonblocking(true).expect("a socket");
        return usize::from(socket.accept().is_ok());
    }
    let seen = sight
        .seen
        .get(name)
        .unwrap_or_else(|| panic!("no site `{name}`"));
    seen.requests.len()
}

fn uncontacted(sight: &mut Sight<'_>) -> Option<String> {
    let effects: &Effects = sight.effects;
    effects
        .uncontacted
        .iter()
        .find(|name| contacts(sight, name) > 0)
        .cloned()
}

fn contacted(sight: &mut Sight<'_>) -> Option<String> {
    let effects: &Effects = sight.effects;
    effects
        .contacted
        .iter()
        .find(|name| contacts(sight, name) == 0)
        .cloned()
}

fn unreceived(sight: &mut Sight<'_>) -> Option<String> {
    let pairs = sight.effects.unreceived.iter();
    let mut pairs = pairs.flat_map(|(site, texts)| texts.iter().map(move |text| (site, text)));
    pairs.find_map(|(site, text)| {
        let text = sight.scene.words.put_in(text).to_lowercase();
        let mut requests = sight.seen[site].requests.iter();
        let request = requests.find(|request| request.to_lowercase().contains(&text));
        request.map(|request| format!("{text:?} was in {request:.1000}"))
    })
}

fn is_alive(sight: &mut Sight<'_>, name: &str) -> bool {
    let actor = sight.scene.processes.get_mut(name);
    actor
        .unwrap_or_else(|| panic!("no process `{name}`"))
        .is_alive()
}

fn alive(sight: &mut Sight<'_>) -> Option<String> {
    let effects: &Effects = sight.effects;
    effects
        .alive
        .iter()
        .find(|name| !is_alive(sight, name))
        .cloned()
}

fn ended(sight: &mut Sight<'_>) -> Option<String> {
    let effects: &Effects = sight.effects;
    effects
        .ended
        .iter()
        .find(|name| is_alive(sight, name))
        .cloned()
}

fn gone(sight: &mut Sight<'_>) -> Option<String> {
    sight.effects.gone.iter().find_map(|text| {
        let alive = alive_with(&sight.scene.words.put_in(text));
        (!alive.is_empty()).then(|| format!("{alive:?} run with {text}"))
    })
}

fn peak_memory_below(sight: &mut Sight<'_>) -> Option<String> {
    let peak = sight.outcome.memory.peak;
    let limit = sight.effects.peak_memory_below?;
    (peak >= limit).then(|| format!("{peak} bytes"))
}

fn answers_below(sight: &mut Sight<'_>) -> Option<String> {
    let limit = sight.effects.answers_below?;
    let longest = sight.outcome.answers.iter().map(String::len).max()?;
    (longest >= limit).then(|| format!("{longest} bytes"))
}

fn within_ms(sight: &mut Sight<'_>) -> Option<String> {
    let limit = Duration::from_millis(sight.effects.within_ms?);
    let took = sight.outcome.took;
    (took > limit).then(|| format!("{took:?}"))
}

/// No answer drives a terminal: control characters besides white space are shown as escapes.
fn printable(sight: &mut Sight<'_>) -> Option<String> {
    if !sight.effects.printable {
        return None;
    }
    sight
        .outcome
        .answers
        .iter()
        .find_map(|answer| hostile_in(answer))
}

fn hostile_in(answer: &str) -> Option<String> {
    let is_hostile = |c: &char| c.is_control() && !"\n\t\r".contains(*c);
    let text = serde_json::from_str(answer).map_or_else(|_| answer.to_owned(), text_in);
    let found = text.chars().find(is_hostile)?;
    Some(format!("{found:?} in {answer:.500?}"))
}

/// All strings of a value, names of fields included.
fn text_in(value: serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Array(items) => items.into_iter().map(text_in).collect(),
        serde_json::Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| name + &text_in(value))
            .collect(),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
            String::new()
        }
    }
}

/// The server makes every control character visible, so no case can bring one about for
/// `must_fail.toml`.
#[test]
fn control_characters_are_seen() {
    assert_eq!(hostile_in(r#"{"a":["b\n\t\u00e9"]}"#), None);
    for answer in ["plain \u{1b}[31m", r#"{"a\u001b":1}"#, r#"["\u009b2J"]"#] {
        assert!(hostile_in(answer).is_some(), "{answer}");
    }
}
