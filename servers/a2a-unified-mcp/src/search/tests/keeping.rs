//! Results that outlast the process.

use super::*;

/// Another process on the same file, or the same one later.
fn again(store: &Arc<Store>) -> Searcher {
    Searcher::new(Arc::clone(store), &SearchConfig::default())
}

async fn reopened(directory: &tempfile::TempDir) -> Arc<Store> {
    let path = directory.path().join("knowledge.db");
    Arc::new(Store::open(&path, &StoreConfig::default()).await.unwrap())
}

#[tokio::test]
async fn results_are_warm_after_a_restart() {
    let Stage {
        store,
        searcher,
        _directory: directory,
    } = holding(&[("a", "apple"), ("b", "apple pie, apple cake")]).await;
    let first = searcher.search(&request("apples")).await.unwrap();
    store.close().await;

    let store = reopened(&directory).await;
    let warm = again(&store).search(&request("apples")).await.unwrap();
    assert!(!first.cached && warm.cached);
    let seen = |hits: &Hits| -> Vec<(String, String, f64)> {
        let hit = |hit: &Hit| {
            (
                hit.entry.identity.key.to_string(),
                hit.snippet.clone(),
                hit.score,
            )
        };
        hits.hits.iter().map(hit).collect()
    };
    assert_eq!(seen(&first), seen(&warm));

    store.put(draft("c", "apple, apple, apple")).await.unwrap();
    let fresh = again(&store).search(&request("apples")).await.unwrap();
    assert!(!fresh.cached && keys(&fresh).contains(&"c".to_owned()));
}

#[tokio::test]
async fn the_oldest_results_make_room() {
    let stage = holding(&[("a", "apple")]).await;
    for n in 0..1010 {
        stage
            .store
            .keep_results(format!("query {n}"), "{}".to_owned());
        if n % 100 == 99 {
            stage
                .store
                .put(draft("wait", &n.to_string()))
                .await
                .unwrap();
        }
    }
    stage.store.put(draft("wait", "done")).await.unwrap();
    let kept = async |n: u32| {
        let key = format!("query {n}");
        let looked = stage.store.look_up(Some(&key), &[]).await.unwrap();
        looked.kept.is_some()
    };
    assert!(!kept(0).await && !kept(9).await && kept(10).await && kept(1009).await);
    assert_eq!(stage.searcher.clear_cache().await.unwrap(), 1000);
    assert!(!kept(1009).await);
}

#[tokio::test]
async fn what_is_kept_but_cannot_be_read_does_no_harm() {
    let stage = holding(&[("a", "apple")]).await;
    let asked = request("apple");
    let key = stage.searcher.key(&asked, Mode::Text);
    stage
        .store
        .keep_results(key, "[\"of another version\"]".to_owned());
    stage.store.put(draft("b", "pear")).await.unwrap();
    let hits = stage.hits(&asked).await;
    assert_eq!((keys(&hits), hits.cached), (vec!["a".to_owned()], false));
}

#[tokio::test]
async fn what_another_process_writes_is_found_at_once() {
    let Stage {
        store,
        searcher,
        _directory: directory,
    } = holding(&[("a", "apple")]).await;
    let other = reopened(&directory).await;
    for n in 0..20 {
        let hits = searcher.search(&request("apple")).await.unwrap();
        assert_eq!((hits.cached, hits.hits.len()), (false, n.min(9) + 1));
        let again = searcher.search(&request("apple")).await.unwrap();
        assert_eq!((again.cached, again.hits.len()), (true, n.min(9) + 1));
        other.put(draft(&format!("b{n}"), "apple")).await.unwrap();
    }
    other.close().await;
    store.close().await;
}

#[tokio::test]
async fn long_lists_of_hits_are_those_of_short_ones() {
    let entries: Vec<(String, String)> = (0..60)
        .map(|n| {
            (
                format!("k{n:02}"),
                format!("apple {}", "pie ".repeat(n % 7)),
            )
        })
        .collect();
    let entries: Vec<(&str, &str)> = entries
        .iter()
        .map(|(key, text)| (key.as_str(), text.as_str()))
        .collect();
    let stage = holding(&entries).await;
    for query in ["apple", "apple pie", "key:k05 apple"] {
        let limited = |limit| Request {
            limit: NonZeroU32::new(limit).unwrap(),
            ..request(query)
        };
        let short = stage.hits(&limited(10)).await;
        let long = stage.hits(&limited(60)).await;
        assert!(!long.hits.is_empty(), "{query}");
        let shown = |hit: &Hit| (hit.entry.clone(), hit.snippet.clone(), hit.is_whole);
        let shown = |hits: &Hits| hits.hits.iter().take(10).map(shown).collect::<Vec<_>>();
        assert_eq!(shown(&short), shown(&long), "{query}");
    }
}
