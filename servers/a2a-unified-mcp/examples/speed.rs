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
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::*;
struct R(u64);
impl R {
    fn n(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let t = tempfile::tempdir_in("/tmp").unwrap();
    let store = Arc::new(
        Store::open(&t.path().join("k.db"), &StoreConfig::default())
            .await
            .unwrap(),
    );
    let mut r = R(88172645463325252);
    let v = 30000f64;
    let word = |i: usize| {
        let mut i = i;
        let mut s = String::new();
        for _ in 0..3 {
            s.push("bcdfghklmnprstv".as_bytes()[i % 15] as char);
            i /= 15;
            s.push("aeiou".as_bytes()[i % 5] as char);
            i /= 5;
        }
        s + "q"
    };
    let drafts: Vec<Draft> = (0..n)
        .map(|i| {
            let mut s = String::new();
            for _ in 0..40 {
                let x = (v + 3.).powf(r.n()) * 3f64.powf(1.) / 1.;
                s += &word((x as usize).min(29999));
                s.push(' ');
            }
            if i % 50 == 7 {
                s += " twopercent"
            }
            if i % 10 < 3 {
                s += " thirtyp"
            }
            if i % 2 == 0 {
                s += " fiftyp"
            }
            if i % (n / 50) == 9 {
                s += &format!(" rare{}", word(29000 + i / (n / 50)))
            }
            Draft::new(
                Identity {
                    source: Source::default(),
                    category: Category::default(),
                    key: format!("note-{i}").parse().unwrap(),
                },
                Value::try_from(s).unwrap(),
            )
        })
        .collect();
    let s = Instant::now();
    for c in drafts.chunks(1000) {
        store.put_all(c.to_vec()).await.unwrap();
    }
    let e = s.elapsed();
    println!("{n} in {e:?} = {:.0}/s", n as f64 / e.as_secs_f64());
    let se = Searcher::new(store.clone(), &SearchConfig::default());
    let ask = |q: &str| Request {
        query: Query::parse(q).unwrap(),
        filter: Filter::default(),
        mode: Mode::Text,
        limit: NonZeroU32::new(10).unwrap(),
        min_score: None,
    };
    let mut times = vec![];
    for i in 0..50 {
        let q = format!("rare{}", word(29000 + i));
        let s = Instant::now();
        let h = se.search(&ask(&q)).await.unwrap();
        assert_eq!(h.hits.len(), 1, "{q}");
        assert!(!h.cached);
        times.push(s.elapsed());
    }
    times.sort();
    println!("rare min {:?} p50 {:?}", times[0], times[25]);
    let rare = format!("rare{}", word(29003));
    let typo = rare.replace("rare", "raer");
    for q in [
        "twopercent",
        "thirtyp",
        "fiftyp",
        "RARE3 fiftyp thirtyp",
        "twopercent fiftyp thirtyp",
        "rraeRARE",
        "what is the twopercent of RARE3",
    ] {
        let q = &q.replace("RARE3", &rare).replace("rraeRARE", &typo);
        let mut b = Duration::MAX;
        let mut hits = 0;
        for _ in 0..5 {
            se.clear_cache().await;
            let s = Instant::now();
            hits = se.search(&ask(q)).await.unwrap().hits.len();
            b = b.min(s.elapsed());
        }
        println!("{b:?} {hits} {q}");
        let s = Instant::now();
        assert!(se.search(&ask(q)).await.unwrap().cached);
        println!("   cached {:?}", s.elapsed());
    }
}
