//! Words and meaning together.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;

use super::*;
use crate::knowledge::Entry;
use crate::search::meaning::{Failed, Meaning, Near};

/// Knows which words mean the same, and the cosine of two sets of meanings.
#[derive(Debug)]
struct Thesaurus {
    store: Arc<Store>,
    unavailable: bool,
    failing: Arc<AtomicBool>,
}

const SAME: &[&[&str]] = &[
    &["car", "automobile", "vehicle", "truck"],
    &["physician", "doctor", "dentist"],
    &["purchase", "buy", "bought"],
];

fn meanings(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_alphanumeric());
    let meaning = |word: &str| {
        let same = SAME.iter().find(|same| same.contains(&word));
        same.map_or(word, |same| same[0]).to_owned()
    };
    words
        .filter(|word| !word.is_empty())
        .map(|word| meaning(&word.to_lowercase()))
        .collect()
}

struct Nearby {
    cosines: Vec<(i64, f32)>,
    most: usize,
}

impl Near for Nearby {
    fn best(&self) -> &[(i64, f32)] {
        &self.cosines[..self.most.min(self.cosines.len())]
    }

    fn cosines<'a>(&'a self, ids: &'a [i64]) -> BoxFuture<'a, Result<Vec<Option<f32>>, Failed>> {
        let cosine = |id: &i64| {
            self.cosines
                .iter()
                .find(|(other, _)| other == id)
                .map(|(_, cosine)| *cosine)
        };
        let cosines = ids.iter().map(cosine).collect();
        async move { Ok(cosines) }.boxed()
    }
}

impl Meaning for Thesaurus {
    fn unavailable(&self) -> Option<String> {
        self.unavailable.then(|| "it is switched off".to_owned())
    }

    fn nearest<'a>(
        &'a self,
        query: &'a str,
        among: Option<Arc<[i64]>>,
        most: usize,
    ) -> BoxFuture<'a, Result<Box<dyn Near>, Failed>> {
        async move {
            if self.failing.load(Ordering::Relaxed) {
                return Err(Failed("the endpoint is down".to_owned()));
            }
            let all = NonZeroU32::new(10_000).unwrap();
            let page = self
                .store
                .list(&Filter::default(), None, all)
                .await
                .unwrap();
            let wanted = meanings(query);
            let pending = |entry: &Entry| entry.tags.iter().any(|tag| tag.as_str() == "pending");
            let mut cosines: Vec<(i64, f32)> = page
                .entries
                .iter()
                .filter(|entry| !pending(entry))
                .filter(|entry| {
                    among
                        .as_ref()
                        .is_none_or(|ids| ids.binary_search(&entry.id).is_ok())
                })
                .map(|entry| {
                    let has = meanings(entry.value.as_str());
                    let common = u16::try_from(has.intersection(&wanted).count()).unwrap();
                    let sizes = u16::try_from(has.len() * wanted.len()).unwrap();
                    (entry.id, f32::from(common) / f32::from(sizes).sqrt())
                })
                .collect();
            cosines.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let near: Box<dyn Near> = Box::new(Nearby { cosines, most });
            Ok(near)
        }
        .boxed()
    }
}

/// A stage with a thesaurus, and the switch that makes it fail.
async fn with_meaning(entries: &[(&str, &str)]) -> (Stage, Arc<AtomicBool>) {
    let mut stage = holding(entries).await;
    let failing = Arc::new(AtomicBool::new(false));
    stage.searcher = stage.searcher.clone().with(Thesaurus {
        store: Arc::clone(&stage.store),
        unavailable: false,
        failing: Arc::clone(&failing),
    });
    (stage, failing)
}

fn asking(mode: Mode, query: &str) -> Request {
    Request {
        mode,
        ..request(query)
    }
}

const NOTES: &[(&str, &str)] = &[
    ("car", "Carol bought an automobile"),
    ("teeth", "the dentist called"),
    ("insurance", "insurance number 4711 of the truck"),
    ("tea", "green tea is in the drawer"),
];

#[tokio::test]
async fn words_and_meaning_find_what_either_would() {
    let (stage, _) = with_meaning(NOTES).await;
    let hits = stage
        .hits(&asking(Mode::Hybrid, "vehicle insurance 4711"))
        .await;
    assert_eq!((hits.mode, hits.why.is_none()), (Mode::Hybrid, true));
    assert_eq!(keys(&hits)[..2], ["insurance", "car"]);
    assert!((hits.hits[0].score - 1.0).abs() < 1e-9, "best by both");
    let hits = stage.hits(&asking(Mode::Hybrid, "purchase car")).await;
    assert_eq!(
        keys(&hits)[0],
        "car",
        "only its key has a word of the query"
    );
    let hits = stage.hits(&asking(Mode::Semantic, "doctor")).await;
    assert_eq!(
        (hits.mode, keys(&hits)[0].as_str()),
        (Mode::Semantic, "teeth")
    );
    assert!(
        (hits.hits[0].score - 1.0 / 3.0_f64.sqrt()).abs() < 1e-6,
        "the cosine"
    );
}

#[tokio::test]
async fn filters_hold_for_meaning_too() {
    let (stage, _) = with_meaning(&[]).await;
    let drafts = (0..400).map(|n| {
        let mut draft = draft(
            &n.to_string(),
            if n < 380 {
                "a car"
            } else {
                "one of many things, a vehicle"
            },
        );
        if n >= 380 {
            draft.tags = serde_json::from_value(json!(["red"])).unwrap();
        }
        draft
    });
    stage.store.put_all(drafts.collect()).await.unwrap();
    let red = Filter {
        tags: serde_json::from_value(json!(["red"])).unwrap(),
        ..Filter::default()
    };
    for (mode, query) in [
        (Mode::Semantic, "car"),
        (Mode::Hybrid, "car"),
        (Mode::Hybrid, "category:notes car"),
        (Mode::Hybrid, "\"many things\" car"),
        (Mode::Hybrid, "category:notes"),
        (Mode::Hybrid, "\"many things\""),
    ] {
        let request = Request {
            filter: red.clone(),
            limit: NonZeroU32::new(20).unwrap(),
            ..asking(mode, query)
        };
        let hits = stage.hits(&request).await;
        assert_eq!((hits.hits.len(), hits.mode), (20, mode), "{query}");
        assert!(
            hits.hits
                .iter()
                .all(|hit| hit.entry.identity.key.as_str().parse::<u32>().unwrap() >= 380)
        );
    }
    let phrase = stage
        .hits(&asking(Mode::Hybrid, "\"no such phrase\" car"))
        .await;
    assert!(phrase.hits.is_empty());
}

#[tokio::test]
async fn an_entry_is_found_before_it_has_a_vector() {
    let (stage, _) = with_meaning(NOTES).await;
    let mut fresh = draft("fresh", "the zeppelin landed");
    fresh.tags = serde_json::from_value(json!(["pending"])).unwrap();
    stage.store.put(fresh).await.unwrap();
    let hits = stage
        .hits(&asking(Mode::Hybrid, "where did the zeppelin land"))
        .await;
    assert_eq!(keys(&hits)[0], "fresh");
}

#[tokio::test]
async fn what_fails_is_done_without_and_said() {
    let (stage, failing) = with_meaning(NOTES).await;
    failing.store(true, Ordering::Relaxed);
    for mode in [Mode::Hybrid, Mode::Semantic] {
        for _ in 0..2 {
            let hits = stage.hits(&asking(mode, "dentist")).await;
            assert_eq!(
                (keys(&hits), hits.mode),
                (vec!["teeth".to_owned()], Mode::Text)
            );
            assert_eq!(hits.why.as_deref(), Some("the endpoint is down"));
            assert!(!hits.cached, "the next search may do better");
        }
    }
    failing.store(false, Ordering::Relaxed);
    let hits = stage.hits(&asking(Mode::Hybrid, "dentist")).await;
    assert_eq!((hits.mode, hits.cached), (Mode::Hybrid, false));
    assert!(stage.hits(&asking(Mode::Hybrid, "dentist")).await.cached);

    let off = Searcher::new(Arc::clone(&stage.store), &SearchConfig::default()).with(Thesaurus {
        store: Arc::clone(&stage.store),
        unavailable: true,
        failing,
    });
    let hits = off.search(&asking(Mode::Hybrid, "dentist")).await.unwrap();
    assert_eq!(
        (hits.mode, hits.why.as_deref()),
        (Mode::Text, Some("it is switched off"))
    );
}

#[tokio::test]
async fn common_words_count_for_what_rare_ones_and_meaning_find() {
    let common: Vec<(String, String)> = (0..8500)
        .map(|n| (format!("m{n}"), format!("meeting number {n}")))
        .collect();
    let mut entries: Vec<(&str, &str)> = vec![
        ("both", "zebra meeting number"),
        ("one", "zebra meeting in the savanna"),
        ("none", "zebra crossing the savanna"),
        ("meant", "automobile meeting number"),
    ];
    entries.extend(
        common
            .iter()
            .map(|(key, text)| (key.as_str(), text.as_str())),
    );
    let (stage, _) = with_meaning(&entries).await;
    let hits = stage
        .hits(&asking(Mode::Hybrid, "zebra car meeting number"))
        .await;
    let found = keys(&hits);
    assert_eq!(hits.mode, Mode::Hybrid);
    assert_eq!(found[0], "both", "{found:?}");
    assert_eq!(found[3], "meant", "{found:?}");
    let place = |key: &str| found.iter().position(|found| found == key).unwrap();
    assert!(place("one") < place("none"), "{found:?}");
}
