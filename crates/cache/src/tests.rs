//! What a cache promises, over its public surface.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

fn cache() -> Cache<&'static str, String> {
    Cache::build("test", &CacheConfig::default(), String::len)
}

#[tokio::test]
async fn concurrent_misses_run_once() {
    let cache = cache();
    let runs = AtomicU32::new(0);
    let work = || async {
        runs.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        Ok::<_, ()>("value".to_owned())
    };
    let (first, second) = tokio::join!(
        cache.get_or_run("key", MINUTE, work()),
        cache.get_or_run("key", MINUTE, work()),
    );
    assert_eq!(
        (first.as_deref(), second.as_deref()),
        (Ok("value"), Ok("value"))
    );
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert_eq!((cache.stats().hits, cache.stats().misses), (1, 1));
}

#[tokio::test]
async fn failures_are_not_stored() {
    let cache = cache();
    let failed = cache.get_or_run("key", MINUTE, async { Err("no") }).await;
    assert_eq!(failed, Err("no"));
    let retried = cache
        .get_or_run("key", MINUTE, async { Ok::<_, &str>("yes".to_owned()) })
        .await;
    assert_eq!(retried.as_deref(), Ok("yes"));
}

#[tokio::test]
async fn cancelled_work_is_taken_over() {
    let cache = cache();
    let never = cache.get_or_run("key", MINUTE, std::future::pending::<Result<String, ()>>());
    let waiter = cache.get_or_run("key", MINUTE, async { Ok::<_, ()>("mine".to_owned()) });
    let mut never = Box::pin(never);
    assert!(futures_poll_once(never.as_mut()).await);
    drop(never);
    assert_eq!(waiter.await.as_deref(), Ok("mine"));
}

/// Polls once; true when still pending.
async fn futures_poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn clearing_counts_what_it_forgot() {
    let cache = cache();
    cache.insert("a", MINUTE, "1".to_owned()).await;
    cache.insert("b", MINUTE, "2".to_owned()).await;
    assert_eq!(cache.clear().await, 2);
    assert!(cache.get(&"a").await.is_none());
    assert_eq!(cache.stats().entries, 0);
}

#[tokio::test]
async fn entries_expire_after_their_own_ttl() {
    let cache = cache();
    cache.insert("gone", Duration::ZERO, "1".to_owned()).await;
    cache.insert("kept", MINUTE, "2".to_owned()).await;
    assert_eq!(cache.get(&"gone").await, None);
    assert_eq!(cache.get(&"kept").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn holds_no_more_than_its_bound() {
    let cache = Cache::build("small", &CacheConfig { max_bytes: 100 }, String::len);
    for key in 0..100_u32 {
        cache.insert(key, MINUTE, "x".repeat(10)).await;
    }
    cache.entries.run_pending_tasks().await;
    assert!(cache.stats().bytes <= 100, "{:?}", cache.stats());
}

#[tokio::test]
async fn counts_what_it_holds_at_once() {
    let recorder = mcp_metrics::Recorder::new("test");
    let cache = Cache::build("counted", &CacheConfig::default(), String::len);
    cache.insert("a", MINUTE, "12345".to_owned()).await;
    let work = async { Ok::<_, ()>("678".to_owned()) };
    cache.get_or_run("b", MINUTE, work).await.unwrap();
    assert_eq!((cache.stats().entries, cache.stats().bytes), (2, 8));
    let gauge = "mcp_cache_entries{cache=\"counted\"}";
    assert!(recorder.render().contains(&format!("{gauge} 2")));
    assert_eq!(cache.clear().await, 2);
    assert!(recorder.render().contains(&format!("{gauge} 0")));
}

#[tokio::test]
async fn what_is_no_longer_valid_is_a_miss() {
    let cache = cache();
    cache.insert("key", MINUTE, "old".to_owned()).await;
    assert_eq!(cache.get_if(&"key", |value| value == "new").await, None);
    assert_eq!((cache.stats().hits, cache.stats().misses), (0, 1));
    let valid = cache.get_if(&"key", |value| value == "old").await;
    assert_eq!(valid.as_deref(), Some("old"));
    assert_eq!((cache.stats().hits, cache.stats().misses), (1, 1));
}
