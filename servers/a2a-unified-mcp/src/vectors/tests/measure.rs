//! How long a search takes among 100 000 entries, and what it needs.
#![expect(
    clippy::disallowed_methods,
    reason = "looks at its own memory and file"
)]

use std::time::Instant;

use super::*;
use crate::embeddings::tests::settled_within;

/// Resident and peak memory of this process, in KiB.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let lines = status
        .lines()
        .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines.collect::<Vec<_>>().join(" ").replace('\t', " ")
}

/// `cargo test --profile ci -p a2a-unified-mcp among_100_000 -- --ignored --nocapture`
#[tokio::test]
#[ignore = "measures"]
async fn a_search_among_100_000_is_quick() {
    let stage = Stage::new();
    let store = stage.open().await;
    let begun = Instant::now();
    for batch in 0..100 {
        let drafts = (0..1000).map(|n| {
            let n = batch * 1000 + n;
            draft(
                &format!("k{n}"),
                &format!("topic{} w{} w{} w{}", n % 97, n % 1009, n % 4001, n),
            )
        });
        store.put_all(drafts.collect()).await.unwrap();
    }
    println!("written in {:?}", begun.elapsed());
    store.close().await;
    let begun = Instant::now();
    let here = searched(&stage, &Arc::new(Hashing::new("test", 384))).await;
    settled_within(&here.store, Duration::from_hours(1)).await;
    println!("embedded in {:?}", begun.elapsed());
    let size = std::fs::metadata(&stage.file).unwrap().len();
    println!("{} MiB on disk, {}", size >> 20, memory());
    let begun = Instant::now();
    here.found("topic5 w17 w900", 10).await;
    println!("first search {:?}, {}", begun.elapsed(), memory());
    let filter: Arc<[i64]> = (1..100_000).step_by(3).collect();
    for (name, among, k) in [
        ("10 of all", Among::All, 10),
        ("100 of all", Among::All, 100),
        ("100 of every third", Among::Ids(filter), 100),
    ] {
        let mut times = Vec::new();
        for n in 0..25 {
            here.semantic
                .embedder()
                .query(&format!("topic{n} w{n}"))
                .await
                .unwrap();
            let begun = Instant::now();
            let query = format!("topic{n} w{n}");
            let nearest = here
                .semantic
                .search(&query, among.clone(), k)
                .await
                .unwrap();
            times.push(begun.elapsed());
            assert_eq!(nearest.best().len(), k);
        }
        times.sort();
        println!("{name}: median {:?}, worst {:?}", times[12], times[24]);
    }
    let begun = Instant::now();
    here.store.embedding_progress().await.unwrap();
    println!("progress {:?}, {}", begun.elapsed(), memory());
}
