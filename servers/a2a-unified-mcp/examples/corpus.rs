//! Entries for `cargo xtask bench`, the same ones each time.
//!
//! `corpus texts COUNT` prints that many texts as a JSON array. `corpus file PATH COUNT [MODEL
//! DIMENSION]` makes a file of that many entries, with a vector for each when a model is named, and
//! prints which words are in how many of them.
//!
//! A text is about 40 made-up words; the word of rank `r` is about `1/r` times as frequent as the first
//! (Zipf's law). Vectors are made up too, around one of a thousand directions: making real ones for
//! 100,000 texts takes half an hour.
#![expect(
    clippy::print_stdout,
    reason = "a program to measure with, at a terminal"
)]

use std::error::Error;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use a2a_unified_mcp::knowledge::{Category, Draft, Identity, Source, Value};
use a2a_unified_mcp::store::{Embedded, ModelName, Store, StoreConfig, Taken};
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Entries that are written, or given vectors, in one transaction.
const AT_ONCE: u32 = 1000;
const LEASE: Duration = Duration::from_mins(5);
const WORDS: u32 = 40;
/// There are twice as many words as 2 to the power of the last of these.
const OCTAVES: u32 = 15;
/// Words that are in one entry each, if there are as many entries.
const RARE: u32 = 500;
/// A word of 2 % of the entries is in each of so many.
const FIFTIETH: u32 = 50;
const DIRECTIONS: u64 = 1000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let printed = match arguments.as_slice() {
        ["texts", count] => {
            let count = count.parse()?;
            let texts: Vec<String> = (0..count).map(|number| text(number, count)).collect();
            json!(texts)
        }
        ["file", path, count] => fill(path, count.parse()?, None).await?,
        ["file", path, count, name, dimension] => {
            let name = (*name).to_owned();
            let dimension = dimension.parse()?;
            let model = ModelName { name, dimension };
            fill(path, count.parse()?, Some(model)).await?
        }
        _ => return Err("usage: corpus texts COUNT | file PATH COUNT [MODEL DIMENSION]".into()),
    };
    println!("{printed}");
    Ok(())
}

/// The file, and which words to look for in it.
async fn fill(path: &str, count: u32, model: Option<ModelName>) -> Outcome<serde_json::Value> {
    let store = Store::open(Path::new(path), &StoreConfig::default()).await?;
    let mut next = 0;
    while next < count {
        let end = count.min(next.saturating_add(AT_ONCE));
        let drafts: Outcome<Vec<Draft>> = (next..end).map(|number| draft(number, count)).collect();
        store.put_all(drafts?).await?;
        next = end;
    }
    if let Some(model) = model {
        embed(&store, model).await?;
    }
    store.close().await;
    let rare = 0..RARE.min(count);
    Ok(json!({
        "rare": rare.map(rare_word).collect::<Vec<_>>(),
        "fiftieth": "twopercent",
    }))
}

fn draft(number: u32, count: u32) -> Outcome<Draft> {
    let identity = Identity {
        source: Source::default(),
        category: Category::default(),
        key: format!("note-{number}").parse()?,
    };
    Ok(Draft::new(identity, Value::try_from(text(number, count))?))
}

fn text(number: u32, count: u32) -> String {
    let mut random = Random::new(number.into());
    let mut words: Vec<String> = (0..WORDS).map(|_| word(random.rank())).collect();
    if number % FIFTIETH == 7 {
        words.push("twopercent".to_owned());
    }
    let step = (count / RARE).max(1);
    if number.is_multiple_of(step) && number / step < RARE {
        words.push(rare_word(number / step));
    }
    words.join(" ")
}

/// A word that can be spoken, another one for each number below 421,875.
fn word(number: u32) -> String {
    let (mut rest, mut word) = (number, String::new());
    for letters in ["bcdfghklmnprstv", "aeiou"].repeat(3) {
        let count = if letters.len() == 5 { 5 } else { 15 };
        let at = usize::try_from(rest % count).unwrap_or(0);
        word.extend(letters.chars().nth(at));
        rest /= count;
    }
    word + "q"
}

fn rare_word(number: u32) -> String {
    format!("x{}", word(number))
}

async fn embed(store: &Store, model: ModelName) -> Outcome<()> {
    let dimension = model.dimension;
    let number = store.adopt_model(model).await?.model;
    let most = NonZeroU32::MIN.saturating_add(AT_ONCE - 1);
    while let Taken::Entries(lease, pending) = store.take_pending(number, most, LEASE).await? {
        let embedded = pending.iter().map(|pending| Embedded {
            entry: pending.entry,
            chunks: vec![vector(pending.entry.unsigned_abs(), dimension)],
        });
        store.put_vectors(number, lease, embedded.collect()).await?;
    }
    Ok(())
}

/// Of length 1, as near to its direction as to what is its own.
fn vector(number: u64, dimension: usize) -> Vec<f32> {
    let mut direction = Random::new(number % DIRECTIONS);
    let mut own = Random::new(DIRECTIONS + number);
    let numbers = (0..dimension).map(|_| direction.around_zero() + own.around_zero());
    let mut vector: Vec<f32> = numbers.collect();
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    for x in &mut vector {
        *x /= length;
    }
    vector
}

/// Marsaglia's xorshift (<https://doi.org/10.18637/jss.v008.i14>).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // Seeds that are near to each other begin alike.
        for _ in 0..8 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 32).unwrap_or(u32::MAX)
    }

    /// As likely between 1 and 2 as between 2 and 4, and so on.
    fn rank(&mut self) -> u32 {
        let least = 1 << (self.next() % OCTAVES);
        least + self.next() % least
    }

    /// From -1 to 1, in steps of 1/2048.
    fn around_zero(&mut self) -> f32 {
        let step = u16::try_from(self.next() % 4096).unwrap_or(0);
        f32::from(step) / 2048.0 - 1.0
    }
}
