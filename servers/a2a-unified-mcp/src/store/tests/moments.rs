//! What moment it is, told without asking SQLite.
#![expect(clippy::disallowed_methods, reason = "looks at the files of the store")]

use std::os::unix::fs::MetadataExt;

use super::*;

#[tokio::test]
async fn a_moment_is_known_until_anything_is_committed_by_anyone() {
    let stage = stage().await;
    stage.put(draft("a", "x")).await.unwrap();
    // The first read shows where to look.
    stage.moment().await.unwrap();
    let first = stage.moment().await.unwrap();
    assert_eq!(stage.known_moment(), Some(first));

    // Another process on the file, or the same process again: SQLite keeps them apart either way.
    let other = open(&stage.path).await.unwrap();
    for n in 0..50 {
        other.put(draft("b", &n.to_string())).await.unwrap();
        assert_eq!(stage.known_moment(), None, "write {n}");
        let moment = stage.moment().await.unwrap();
        assert_eq!(moment.entries, first.entries + n + 1);
        assert_eq!(stage.known_moment(), Some(moment));
        if n % 10 == 0 {
            // Written back to its beginning, the log is begun anew.
            let mut writing = connection::open_to_write(&stage.path, &stage.config)
                .await
                .unwrap();
            let written_back = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)");
            written_back.execute(&mut writing).await.unwrap();
            assert_eq!(stage.moment().await.unwrap(), moment);
        }
    }
    other.close().await;
    assert!(stage.moment().await.unwrap().entries == first.entries + 50);
}

/// The lock that SQLite has on a file is the process's: looking at the file must not let it go.
#[tokio::test]
async fn looking_lets_no_lock_go() {
    let stage = stage().await;
    stage.put(draft("a", "x")).await.unwrap();
    let inode = std::fs::metadata(file::beside(&stage.path, "-shm"))
        .unwrap()
        .ino();
    let locks = || {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        let on_it = format!(":{inode} ");
        locks.lines().filter(|line| line.contains(&on_it)).count()
    };
    let mut reading = stage.readers.begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM knowledge")
        .execute(&mut *reading)
        .await
        .unwrap();
    stage.moment().await.unwrap();
    let before = locks();
    for _ in 0..10 {
        stage.moments.mark().unwrap();
    }
    assert!(before > 0 && locks() >= before);
    reading.rollback().await.unwrap();
}
