//! One test for each class, and the test of the checks themselves.

use std::any::Any;
use std::collections::BTreeSet;
use std::fs;
use std::thread;

use crate::case::{self, Case};
use crate::names::Names;
use crate::play::play;
use crate::{checks, network};

/// Cases that are played at the same time.
const AT_ONCE: usize = 3;

/// Where the cases are. Read when a test runs, so that a new case needs no build.
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/attacks");

fn cases_of(class: &str) -> Vec<Case> {
    let text = fs::read_to_string(format!("{CASES}/{class}.toml"));
    case::parse(&text.unwrap_or_else(|error| panic!("{class}: {error}")))
}

/// Variables of the server that force the tier without namespaces, and give up what it cannot hold.
const LANDLOCK: &[(&str, &str)] = &[
    ("OMNIPOTENT_SANDBOX__PREFER", "landlock"),
    (
        "OMNIPOTENT_SANDBOX__WAIVE",
        "protected_paths,hidden_paths,signals",
    ),
];

/// Plays every case of a class in the test of that name; fails with all that fail.
fn play_class(class: &str, test: &str, variables: &[(&str, &str)]) {
    network::inside(&format!("classes::{test}"), || {
        let mut cases = cases_of(class);
        for case in &mut cases {
            let more = variables.iter().map(|(name, value)| (*name, *value));
            let more = more.map(|(name, value)| (name.to_owned(), value.to_owned()));
            case.server.variables.extend(more);
        }
        let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
        assert_eq!(names.len(), cases.len(), "names are unique");
        let _served = Names::serve(cases.iter().flat_map(|case| case.stage.names.clone()));
        let failed = failures(&cases);
        let shown: Vec<_> = failed
            .iter()
            .map(|(case, why)| format!("--- {}: {}\n{why}", case.name, case.attempt))
            .collect();
        let count = failed.len();
        assert!(
            failed.is_empty(),
            "{count} of {} cases\n{}",
            cases.len(),
            shown.join("\n")
        );
    });
}

/// The cases that fail, each with why.
fn failures(cases: &[Case]) -> Vec<(&Case, String)> {
    let share = |first| cases.iter().skip(first).step_by(AT_ONCE);
    thread::scope(|scope| {
        let play =
            |first| scope.spawn(move || share(first).filter_map(failure).collect::<Vec<_>>());
        let shares: Vec<_> = (0..AT_ONCE).map(play).collect();
        let failed = shares
            .into_iter()
            .flat_map(|share| share.join().expect("a share"));
        failed.collect()
    })
}

/// Why a case fails, if it does. It has a thread of its own, so that its panic names it.
fn failure(case: &Case) -> Option<(&Case, String)> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(case.name.clone());
        let played = thread.spawn_scoped(scope, || play(case)).expect("a thread");
        played.join().err().map(|panic| (case, said(&*panic)))
    })
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_default()
}

macro_rules! classes {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            play_class(stringify!($name), stringify!($name), &[]);
        })*

        const CLASSES: &[&str] = &[$(stringify!($name)),*];
    };
}

classes!(addresses commands environment escapes paths processes protocol proxy resources responses selectors text writes);

#[test]
fn commands_with_landlock_alone() {
    play_class("commands", "commands_with_landlock_alone", LANDLOCK);
}

#[test]
fn paths_with_landlock_alone() {
    play_class("paths", "paths_with_landlock_alone", LANDLOCK);
}

#[test]
fn writes_with_landlock_alone() {
    play_class("writes", "writes_with_landlock_alone", LANDLOCK);
}

#[test]
fn no_file_of_cases_is_left_out() {
    let names = fs::read_dir(CASES)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names = names.filter_map(|name| Some(name.to_str()?.strip_suffix(".toml")?.to_owned()));
    let played: BTreeSet<_> = CLASSES
        .iter()
        .chain(&["must_fail"])
        .map(ToString::to_string)
        .collect();
    assert_eq!(names.collect::<BTreeSet<_>>(), played);
}

/// Every check fails when what it looks for is there: `must_fail.toml` holds a case for each, whose
/// name is the word for the check.
#[test]
fn must_fail() {
    network::inside("classes::must_fail", || {
        let cases = cases_of("must_fail");
        let tried: BTreeSet<_> = cases.iter().map(|case| case.name.as_str()).collect();
        let brought_about = checks::kinds().filter(|kind| *kind != "printable");
        assert_eq!(tried, brought_about.collect());
        for case in &cases {
            let why = failure(case).map(|(_, why)| why).unwrap_or_default();
            assert!(
                why.starts_with(&format!("{}: ", case.name)),
                "{}: {why:?}",
                case.name
            );
        }
    });
}
