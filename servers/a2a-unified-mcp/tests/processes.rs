//! Several processes on one file: this test program, executed again.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test, which starts processes of its own and hears what they say"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::num::NonZeroU32;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use a2a_unified_mcp::knowledge::{Category, Draft, Expected, Identity, Key, Source, Value};
use a2a_unified_mcp::store::{Depth, Store, StoreConfig, StoreError};

const FILE: &str = "A2A_TEST_FILE";
const TASK: &str = "A2A_TEST_TASK";
const NAME: &str = "A2A_TEST_NAME";

/// Entries of its own that a process writes, and times that it counts up the shared entry.
const OWN: usize = 150;
const COUNTS: usize = 40;
const PROCESSES: usize = 4;

fn identity(key: &str) -> Identity {
    Identity {
        source: Source::default(),
        category: Category::default(),
        key: key.parse::<Key>().unwrap(),
    }
}

fn draft(key: &str, value: &str) -> Draft {
    Draft::new(identity(key), Value::try_from(value.to_owned()).unwrap())
}

fn start(task: &str, file: &Path, name: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process", "--nocapture", "--quiet"])
        .env(FILE, file)
        .env(TASK, task)
        .env(NAME, name.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a process that the other tests start does; nothing when it is run as a test.
#[tokio::test]
async fn process() {
    let Some(file) = std::env::var_os(FILE) else {
        return;
    };
    let name = std::env::var(NAME).unwrap();
    let config = StoreConfig::default();
    let store = Store::open(Path::new(&file), &config).await.unwrap();
    match std::env::var(TASK).unwrap().as_str() {
        "share" => share(&store, &name).await,
        "endless" => write_without_end(&store, &name).await,
        other => panic!("no task {other}"),
    }
    store.close().await;
}

/// Writes entries of its own and counts up one that all share.
async fn share(store: &Store, name: &str) {
    let mut slowest = Duration::ZERO;
    for n in 0..OWN {
        let begun = Instant::now();
        store.put(draft(&format!("{name}-{n}"), "x")).await.unwrap();
        store.put(draft("shared", name)).await.unwrap();
        slowest = slowest.max(begun.elapsed());
    }
    for _ in 0..COUNTS {
        count_up(store).await;
    }
    println!("slowest {} ms", slowest.as_millis());
}

/// Optimistic locking: tries again until nobody was in between.
async fn count_up(store: &Store) {
    loop {
        let entry = store.get(&identity("count")).await.unwrap();
        let (count, expected) = entry.map_or((0, Expected::Absent), |entry| {
            let count: usize = entry.value.as_str().parse().unwrap();
            (count, Expected::Revision(entry.revision))
        });
        let mut next = draft("count", &(count + 1).to_string());
        next.expected = Some(expected);
        match store.put(next).await {
            Ok(_) => return,
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Says each entry once it is acknowledged.
async fn write_without_end(store: &Store, name: &str) {
    for round in 0.. {
        let keys: Vec<String> = (0..8).map(|n| format!("{name}-{round}-{n}")).collect();
        let written = store.put_each(keys.iter().map(|key| draft(key, key)).collect());
        for (key, written) in keys.iter().zip(written.await) {
            written.unwrap();
            println!("written {key}");
        }
    }
}

#[tokio::test]
async fn processes_lose_nothing_and_never_meet_a_lock() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("knowledge.db");
    let begun = Instant::now();
    let children: Vec<Child> = (0..PROCESSES).map(|n| start("share", &file, n)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{complained}");
        for line in said.lines().filter(|line| line.starts_with("slowest")) {
            println!("{line}");
        }
    }
    println!("all {} ms", begun.elapsed().as_millis());

    let store = Store::open(&file, &StoreConfig::default()).await.unwrap();
    let own =
        (0..PROCESSES).flat_map(|name| (0..OWN).map(move |n| identity(&format!("{name}-{n}"))));
    let found = store.get_all(&own.collect::<Vec<_>>()).await.unwrap();
    assert!(found.iter().all(Option::is_some), "an entry was lost");
    let count = store.get(&identity("count")).await.unwrap().unwrap();
    assert_eq!(count.value.as_str(), (PROCESSES * COUNTS).to_string());

    let all = NonZeroU32::new(10_000).unwrap();
    for (key, writes) in [("shared", PROCESSES * OWN), ("count", PROCESSES * COUNTS)] {
        let history = store.history(&identity(key), None, all).await.unwrap();
        let revisions: Vec<u32> = history
            .iter()
            .map(|version| version.revision.get())
            .collect();
        let dense: Vec<u32> = (1..=u32::try_from(writes).unwrap()).rev().collect();
        assert_eq!(revisions, dense, "revisions of {key}");
    }
    assert_eq!(store.check(Depth::Indexes).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_kill() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("knowledge.db");
    let mut acknowledged: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for round in 0..3 {
        let mut children: Vec<Child> = (0..2)
            .map(|n| start("endless", &file, round * 2 + n))
            .collect();
        let readers: Vec<_> = children
            .iter_mut()
            .map(|child| {
                let out = child.stdout.take().unwrap();
                let (sender, first) = std::sync::mpsc::channel();
                let thread = std::thread::spawn(move || {
                    let lines = BufReader::new(out).split(b'\n').map_while(Result::ok);
                    let lines = lines.filter_map(|line| String::from_utf8(line).ok());
                    lines
                        .filter_map(|line| Some(line.strip_prefix("written ")?.to_owned()))
                        .inspect(|_| sender.send(()).unwrap_or_default())
                        .collect::<Vec<_>>()
                });
                (thread, first)
            })
            .collect();
        for (_, said) in &readers {
            for _ in 0..200 {
                said.recv_timeout(Duration::from_secs(10))
                    .expect("it writes");
            }
        }
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
            let mut complained = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut complained)
                .unwrap();
            assert!(!complained.contains("panicked"), "{complained}");
        }
        for (name, (thread, _)) in readers.into_iter().enumerate() {
            acknowledged.insert(round * 2 + name, thread.join().unwrap());
        }
    }

    let store = Store::open(&file, &StoreConfig::default()).await.unwrap();
    assert!(store.opening().log_left);
    for keys in acknowledged.values() {
        assert!(keys.len() >= 200);
        // The last line may lack its end.
        let keys: Vec<Identity> = keys.iter().rev().skip(1).map(|key| identity(key)).collect();
        let found = store.get_all(&keys).await.unwrap();
        let lost = keys.iter().zip(&found).find(|(_, found)| found.is_none());
        assert_eq!(lost, None);
    }
    assert_eq!(store.check(Depth::Indexes).await.unwrap(), [""; 0]);
}
