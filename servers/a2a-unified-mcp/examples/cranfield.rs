//! tmp
#![allow(
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::allow_attributes_without_reason,
    clippy::allow_attributes
)]
use a2a_unified_mcp::{knowledge::*, search::*, store::*};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = "/work/shared/data/cranfield";
    let t = tempfile::tempdir().unwrap();
    let store = Arc::new(
        Store::open(&t.path().join("k.db"), &StoreConfig::default())
            .await
            .unwrap(),
    );
    let lines = |f: &str| std::fs::read_to_string(format!("{dir}/{f}")).unwrap();
    let mut drafts = vec![];
    for l in lines("corpus.jsonl").lines() {
        let v: serde_json::Value = serde_json::from_str(l).unwrap();
        let id = Identity {
            source: Source::default(),
            category: Category::default(),
            key: (if std::env::var("TITLE").is_ok() {
                format!(
                    "{} {}",
                    v["_id"].as_str().unwrap(),
                    v["title"].as_str().unwrap()
                )
            } else {
                v["_id"].as_str().unwrap().to_owned()
            })
            .chars()
            .take(1000)
            .collect::<String>()
            .parse()
            .unwrap(),
        };
        drafts.push(Draft::new(
            id,
            Value::try_from(if std::env::var("TITLE").is_ok() {
                v["text"].as_str().unwrap().to_owned()
            } else {
                format!(
                    "{}\n{}",
                    v["title"].as_str().unwrap(),
                    v["text"].as_str().unwrap()
                )
            })
            .unwrap(),
        ));
    }
    let s = std::time::Instant::now();
    let n = drafts.len();
    for c in drafts.chunks(1000) {
        store.put_all(c.to_vec()).await.unwrap();
    }
    println!("{n} in {:?}", s.elapsed());
    let mut q: HashMap<String, HashMap<String, f64>> = HashMap::new();
    for l in lines("qrels.tsv").lines().skip(1) {
        let f: Vec<_> = l.split('\t').collect();
        q.entry(f[0].into())
            .or_default()
            .insert(f[1].into(), f[2].parse().unwrap());
    }
    let se = Searcher::new(store, &SearchConfig::default());
    let (mut nd, mut re, mut c) = (0., 0., 0.);
    let mut time = std::time::Duration::ZERO;
    for l in lines("queries.jsonl").lines() {
        let v: serde_json::Value = serde_json::from_str(l).unwrap();
        let Some(rel) = q.get(v["_id"].as_str().unwrap()) else {
            continue;
        };
        let s = std::time::Instant::now();
        let h = se
            .search(&Request {
                query: Query::parse(v["text"].as_str().unwrap()).unwrap(),
                filter: Filter::default(),
                mode: Mode::Text,
                limit: NonZeroU32::new(10).unwrap(),
                min_score: None,
            })
            .await
            .unwrap();
        time += s.elapsed();
        let g: Vec<f64> = h
            .hits
            .iter()
            .map(|h| {
                *rel.get(h.entry.identity.key.as_str().split(' ').next().unwrap())
                    .unwrap_or(&0.)
            })
            .collect();
        let dcg = |g: &[f64]| {
            g.iter()
                .take(10)
                .enumerate()
                .map(|(i, g)| g / ((i + 2) as f64).log2())
                .sum::<f64>()
        };
        let mut i: Vec<f64> = rel.values().copied().collect();
        i.sort_by(|a, b| b.total_cmp(a));
        let all = rel.values().filter(|g| **g > 0.).count() as f64;
        if all == 0. {
            continue;
        }
        c += 1.;
        nd += dcg(&g) / dcg(&i);
        re += g.iter().filter(|g| **g > 0.).count() as f64 / all;
    }
    println!(
        "ndcg {:.4} recall {:.4} n {c} {:?}/query",
        nd / c,
        re / c,
        time / (c as u32)
    );
}
