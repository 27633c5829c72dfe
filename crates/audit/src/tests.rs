//! The chain over real files: what is written is verified, and what was done to it is found.
#![expect(
    clippy::disallowed_methods,
    reason = "tests set their stage with files of their own"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::*;
use crate::journal::{Journal, Limits, Patience, Urgency};
use crate::record::{Event, Origin};

/// A directory of one's own and the audit in it.
fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state/audit.jsonl");
    (directory, path)
}

fn journal(path: &Path, file_bytes: u64) -> Journal {
    let limits = Limits {
        file_bytes,
        files: 4,
    };
    Journal::new(Some(path.to_owned()), Origin::of_process("test"), limits)
}

fn append(journal: &mut Journal, bodies: &str) {
    journal
        .append(bodies, Urgency::Read, Patience::Wait)
        .unwrap();
}

/// An audit of so many lines.
fn written(lines: usize) -> (TempDir, PathBuf) {
    let (directory, path) = place();
    let mut journal = journal(&path, u64::MAX);
    for line in 0..lines {
        append(&mut journal, &format!("\"n\":{line}"));
    }
    (directory, path)
}

fn faults(path: &Path) -> Vec<Fault> {
    let report = verify(path, None).unwrap();
    report
        .findings
        .iter()
        .map(|finding| finding.fault)
        .collect()
}

#[test]
fn what_is_written_is_verified() {
    let (_directory, path) = written(50);
    let report = verify(&path, None).unwrap();
    assert_eq!(
        (report.records, report.first, report.files),
        (50, Some(1), 1)
    );
    assert_eq!(report.findings, []);
    let head = report.head.unwrap();
    assert_eq!(head.seq, 50);
    assert_eq!(verify(&path, Some(head.hash)).unwrap().findings, []);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

/// What somebody may do to a file.
#[derive(Debug, Clone)]
enum Harm {
    ChangeByte(prop::sample::Index, u8),
    RemoveByte(prop::sample::Index),
    InsertByte(prop::sample::Index, u8),
    RemoveLine(prop::sample::Index),
    SwapLines(prop::sample::Index, prop::sample::Index),
    RepeatLine(prop::sample::Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), 1..=255_u8).prop_map(|(at, xor)| Harm::ChangeByte(at, xor)),
        index().prop_map(Harm::RemoveByte),
        (index(), any::<u8>()).prop_map(|(at, byte)| Harm::InsertByte(at, byte)),
        index().prop_map(Harm::RemoveLine),
        (index(), index()).prop_map(|(one, other)| Harm::SwapLines(one, other)),
        index().prop_map(Harm::RepeatLine),
    ]
}

fn harmed(text: &[u8], harm: &Harm) -> Vec<u8> {
    let mut bytes = text.to_vec();
    let mut lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    match harm {
        Harm::ChangeByte(at, xor) => bytes[at.index(text.len())] ^= xor,
        Harm::RemoveByte(at) => {
            bytes.remove(at.index(text.len()));
        }
        Harm::InsertByte(at, byte) => bytes.insert(at.index(text.len() + 1), *byte),
        Harm::RemoveLine(at) => {
            lines.remove(at.index(lines.len()));
            bytes = lines.concat();
        }
        Harm::SwapLines(one, other) => {
            lines.swap(one.index(text.len().min(20)), other.index(20));
            bytes = lines.concat();
        }
        Harm::RepeatLine(at) => {
            let at = at.index(lines.len());
            lines.insert(at, lines[at]);
            bytes = lines.concat();
        }
    }
    bytes
}

#[test]
fn any_single_change_is_found() {
    let (_directory, path) = written(20);
    let text = fs::read(&path).unwrap();
    let head = verify(&path, None).unwrap().head.unwrap();
    proptest!(ProptestConfig::with_cases(2000), |(harm in harm())| {
        let harmed = harmed(&text, &harm);
        fs::write(&path, &harmed).unwrap();
        // The last line may be cut without a trace in the file itself: that is what a head is
        // noted for.
        let report = verify(&path, Some(head.hash)).unwrap();
        prop_assert_eq!(report.findings.is_empty(), harmed == text, "{:?}", harm);
    });
}

#[test]
fn says_where_something_is_wrong() {
    let (_directory, path) = written(5);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"n\":2", "\"n\":3")).unwrap();
    let report = verify(&path, None).unwrap();
    let said: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["audit.jsonl, line 3 (seq 3): was changed: its hash is not the hash of what it says"]
    );
    let without_last = text.lines().take(4).map(|line| format!("{line}\n"));
    fs::write(&path, without_last.collect::<String>()).unwrap();
    assert_eq!(faults(&path), []);
}

#[test]
fn rotation_keeps_one_chain_and_bounds_the_files() {
    let (_directory, path) = place();
    let mut journal = journal(&path, 2000);
    for line in 0..100 {
        append(&mut journal, &format!("\"n\":{line}"));
    }
    let report = verify(path.parent().unwrap(), None).unwrap();
    assert_eq!(
        (report.findings.as_slice(), report.files),
        ([].as_slice(), 4)
    );
    assert!(report.first.unwrap() > 1);
    let newest = fs::read_to_string(&path).unwrap();
    assert!(
        newest
            .lines()
            .next()
            .unwrap()
            .contains("\"event\":\"rotate\"")
    );

    let rotated = |number: u64| path.with_file_name(format!("audit.jsonl.{number:06}"));
    let numbers: Vec<u64> = (1..100)
        .filter(|&number| rotated(number).exists())
        .collect();
    assert_eq!(numbers.len(), 3);
    let kept = fs::read(rotated(numbers[1])).unwrap();
    fs::remove_file(rotated(numbers[1])).unwrap();
    assert_eq!(faults(&path), [Fault::Missing, Fault::Unlinked]);
    fs::write(rotated(numbers[1]), kept).unwrap();
    fs::remove_file(rotated(numbers[0])).unwrap();
    assert_eq!(faults(&path), [Fault::Missing]);
    fs::remove_file(rotated(numbers[1])).unwrap();
    fs::remove_file(rotated(numbers[2])).unwrap();
    assert_eq!(faults(&path), [Fault::Missing; 3]);
}

#[test]
fn a_writer_that_was_ended_while_it_rotated_is_followed() {
    let (_directory, path) = written(3);
    fs::rename(&path, path.with_file_name("audit.jsonl.000001")).unwrap();
    assert_eq!(faults(&path), []);
    append(&mut journal(&path, u64::MAX), "\"n\":3");
    let report = verify(&path, None).unwrap();
    assert_eq!((report.findings, report.head.unwrap().seq), (vec![], 5));
}

#[test]
fn a_torn_line_is_recognised_and_taken_off_wherever_it_ends() {
    let (_directory, path) = written(3);
    let text = fs::read(&path).unwrap();
    let last = text[..text.len() - 1]
        .iter()
        .rposition(|&byte| byte == b'\n')
        .unwrap()
        + 1;
    for end in [1, 5, last + 1, last + 9, text.len() - 1] {
        fs::write(&path, &text[..end]).unwrap();
        let torn = if end > last { end - last } else { end };
        let torn = u64::try_from(torn).unwrap();
        assert_eq!(faults(&path), [Fault::Torn { bytes: torn }], "{end}");
        append(&mut journal(&path, u64::MAX), "\"n\":9");
        assert_eq!(faults(&path), [], "{end}");
        let repaired = fs::read_to_string(&path).unwrap();
        assert!(
            repaired.contains(&format!("\"dropped_bytes\":{torn}")),
            "{repaired}"
        );
    }
}

#[test]
fn what_is_no_audit_is_set_aside_and_not_thrown_away() {
    for content in ["my notes", "my notes\n", "{\"seq\":1}\n"] {
        let (_directory, path) = written(1);
        fs::write(&path, content).unwrap();
        append(&mut journal(&path, u64::MAX), "\"n\":9");
        let aside = path.with_file_name("audit.jsonl.000001");
        assert_eq!(fs::read_to_string(aside).unwrap(), content);
        assert!(
            fs::read_to_string(&path)
                .unwrap()
                .contains("\"event\":\"damage\"")
        );
        assert_ne!(faults(&path), []);
    }
}

#[test]
fn many_writers_make_one_chain() {
    let (_directory, path) = place();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let mut journal = journal(path, 20_000);
                for line in 0..100 {
                    append(
                        &mut journal,
                        &format!("\"writer\":{writer},\"n\":{line}\n\"x\":1"),
                    );
                }
            });
        }
    });
    let report = verify(&path, None).unwrap();
    assert_eq!(report.findings, []);
    assert!(report.head.unwrap().seq > 800);
}

#[test]
fn refuses_files_and_directories_that_others_can_reach() {
    let check = |spoil: &dyn Fn(&Path), part: &str| {
        let (_directory, path) = written(1);
        spoil(&path);
        let mut journal = journal(&path, u64::MAX);
        let stopped = journal.append("\"n\":1", Urgency::Read, Patience::Wait);
        let said = format!("{:?}", stopped.unwrap_err());
        assert!(said.contains(part), "{said}");
    };
    let parent = |path: &Path| path.parent().unwrap().to_owned();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    check(&|path| mode(&parent(path), 0o770), "chmod go-w");
    check(&|path| mode(path, 0o640), "chmod 600");
    check(
        &|path| {
            fs::rename(path, path.with_file_name("elsewhere")).unwrap();
            symlink("elsewhere", path).unwrap();
        },
        "symbolic link",
    );
    check(
        &|path| fs::hard_link(path, path.with_file_name("twin")).unwrap(),
        "second name",
    );
    check(
        &|path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        },
        "not a regular file",
    );
    check(
        &|path| {
            fs::remove_file(path).unwrap();
            mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        },
        "not a regular file",
    );
}

#[tokio::test]
async fn a_call_leaves_one_line_also_when_it_is_dropped() {
    let (_directory, path) = place();
    let audit = Audit::build(&AuditConfig::default(), "test", Some(path.clone()));
    audit.policy("abcd");
    let writing = audit.start("1");
    let begun = |tool| Begun {
        caller: "someone",
        tool,
        effect: Effect::Reads,
        arguments: "{\"a\":1}".to_owned(),
    };
    drop(audit.begin(begun("dropped")));
    let ended = Ended {
        decision: Decision::Denied,
        outcome: Outcome::Failed,
        code: Some("path_denied"),
    };
    audit.begin(begun("denied")).finish(ended).await;
    audit.policy("efgh");
    for _ in 0..1000 {
        audit.turned_away(TurnedAway::RateLimited);
    }
    writing.stop().await;
    let said: Vec<String> = last(&path, 20)
        .unwrap()
        .iter()
        .map(|line| words(line))
        .collect();
    assert_eq!(
        said,
        [
            "start policy=\"abcd\"",
            "call someone dropped allowed cancelled cancelled {\"a\":1}",
            "call someone denied denied failed path_denied {\"a\":1}",
            "policy before=\"abcd\"",
            "turned_away rate_limited=1 saturated=0",
            "turned_away rate_limited=999 saturated=0",
            "stop",
        ]
    );
    assert_eq!(faults(&path), []);
}

/// A line for people without what differs from run to run.
fn words(line: &str) -> String {
    let readable = readable(line);
    let words = readable.split(' ').skip(1);
    let words: Vec<&str> = words
        .filter(|word| *word != "ms" && word.parse::<f64>().is_err())
        .collect();
    words
        .join(" ")
        .replace(" version=\"1\"", " policy=\"abcd\"")
}

#[test]
fn events_are_valid_json() {
    let origin = Origin::of_process("test");
    let body = origin.event(&Event::Lost { records: 3 });
    let value: serde_json::Value = serde_json::from_str(&format!("{{{body}}}")).unwrap();
    assert_eq!(
        (&value["event"], &value["records"]),
        (&"lost".into(), &3.into())
    );
}

#[tokio::test]
async fn what_was_never_written_is_not_taken_to_work() {
    for (reads, is_refused) in [(Failure::Closed, true), (Failure::Open, false)] {
        let (_directory, path) = place();
        let config = AuditConfig {
            on_failure: OnFailure {
                reads,
                ..OnFailure::default()
            },
            ..AuditConfig::default()
        };
        let audit = Audit::build(&config, "test", Some(path.clone()));
        assert!(audit.directory().is_some(), "the directory can be had");
        fs::create_dir(&path).unwrap();
        let record = audit.begin(Begun {
            caller: "somebody",
            tool: "read_file_secure",
            effect: Effect::Reads,
            arguments: String::new(),
        });
        let admitted = record.admit().await;
        assert_eq!(admitted.is_err(), is_refused, "{reads:?}");
    }
}
