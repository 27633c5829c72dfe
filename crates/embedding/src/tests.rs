//! The whole model, against what the original answers (`tests/reference/make.py`).

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fearless_simd::Level;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../tests/reference/vectors.json");
const TOKENS: &str = include_str!("../tests/reference/tokens.json");

static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let path = path();
    file::read(&path).unwrap_or_else(|error| panic!("{error}; run `cargo xtask model`"))
});

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let model = Model::from_bytes(FILE.as_slice());
    model.unwrap_or_else(|error| panic!("{error}; run `cargo xtask model`"))
});

/// The model file in the target directory that this test was built in.
fn path() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let homes = program.ancestors().map(|directory| directory.join("model"));
    let mut files = homes.map(|home| home.join(FILE_NAME));
    let found = files.find(|file| file::read(file).is_ok());
    found.expect("the model is not there; run `cargo xtask model`")
}

fn rows(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn decode(vector: &Value) -> Vec<f32> {
    let bytes = STANDARD.decode(vector.as_str().unwrap()).unwrap();
    let (elements, _) = bytes.as_chunks::<2>();
    let elements = elements.iter().map(|bytes| i16::from_le_bytes(*bytes));
    elements.map(|x| f32::from(x) / 32767.0).collect()
}

#[test]
fn agrees_with_the_original() {
    let rows = rows(VECTORS);
    assert_eq!(rows.len(), 13);
    for row in rows {
        let text = row["text"].as_str().unwrap();
        let found = MODEL.embed(text);
        let likeness = cosine(&found, &decode(&row["vector"]));
        assert!(likeness >= 0.9993, "{likeness} for {text:?}");
        let length = cosine(&found, &found).sqrt();
        assert!((length - 1.0).abs() < 1e-6);
    }
}

#[test]
fn has_the_tokens_of_the_original() {
    for row in rows(TOKENS) {
        let text = row["text"].as_str().unwrap();
        let found = Value::from(MODEL.tokenizer.window(text));
        assert_eq!(found, row["tokens"], "{text:?}");
    }
}

#[test]
fn every_level_of_instructions_gives_nearly_the_same() {
    let tokens = MODEL.tokenizer.window("the same on every machine");
    let best = bert::embed(&MODEL.weights, &tokens);
    let level = Level::new();
    let avx2 = level.as_avx2().map(Level::Avx2);
    let sse4_2 = level.as_sse4_2().map(Level::Sse4_2);
    for lesser in [avx2, sse4_2, Some(Level::baseline())]
        .into_iter()
        .flatten()
    {
        let found = bert::embed_at(lesser, &MODEL.weights, &tokens);
        let likeness = cosine(&best, &found);
        assert!(likeness > 0.999_999, "{likeness} at {lesser:?}");
    }
}

#[test]
fn the_same_text_gives_the_same_vector_on_every_thread() {
    let text = "what was decided about the key rotation?";
    let first = MODEL.embed(text);
    let again = std::thread::spawn(|| MODEL.embed(text)).join().unwrap();
    assert_eq!(first, again);
    assert_eq!(first.len(), MODEL.dimension());
}

#[test]
fn near_in_meaning_is_near_in_space() {
    let [question, answer, other] = [
        "how do I make the interface darker?",
        "The user prefers dark mode.",
        "The invoice is due in thirty days.",
    ]
    .map(|text| MODEL.embed(text));
    assert!(cosine(&question, &answer) > cosine(&question, &other) + 0.2);
}

#[test]
fn a_borrowed_file_is_not_copied() {
    let Cow::Borrowed(kept) = MODEL.weights.file() else {
        panic!("the file was copied");
    };
    assert!(std::ptr::eq(*kept, FILE.as_slice()));
}

#[test]
fn the_id_names_the_weights() {
    assert_eq!(MODEL.id(), format!("all-MiniLM-L6-v2/int8-{SHA256:.12}"));
}

#[test]
fn refuses_what_is_not_the_whole_file() {
    let refused = |bytes: Vec<u8>| Model::from_bytes(bytes).unwrap_err().to_string();
    let prefix = "not a whole safetensors file: ";

    assert_eq!(
        refused(Vec::new()),
        format!("{prefix}it ends after 0 bytes")
    );
    let elf = b"\x7fELF\x02\x01\x01\x00 and the rest of a program".to_vec();
    assert_eq!(
        refused(elf),
        format!("{prefix}it does not begin with a header")
    );

    let size = FILE.len();
    let short = FILE[..size - 1].to_vec();
    let expected = format!("{prefix}{} bytes where its header says {size}", size - 1);
    assert_eq!(refused(short), expected);

    let mut damaged = FILE.clone();
    damaged[size / 2] ^= 1;
    let message = refused(damaged);
    assert!(
        message.starts_with("damaged, or made for another version"),
        "{message}"
    );
    assert!(
        message.contains(SHA256) && message.contains("cargo xtask model"),
        "{message}"
    );
}

#[test]
fn an_error_names_the_file() {
    let missing = Model::open(Path::new("/nonexistent/model")).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "cannot read the model file /nonexistent/model"
    );
    let program = std::env::current_exe().unwrap();
    let wrong = Model::open(&program).unwrap_err().to_string();
    let expected = format!("{} cannot be used as the model", program.display());
    assert_eq!(wrong, expected);
    let endless = Model::open(Path::new("/dev/zero")).unwrap_err();
    let source = std::error::Error::source(&endless).unwrap().to_string();
    assert_eq!(source, "not a whole safetensors file: larger than 64 MiB");
    assert_eq!(Model::open(&path()).unwrap().id(), MODEL.id());
}

#[test]
fn hostile_text_is_bounded() {
    let mebibyte = 1 << 20;
    for unit in [
        "x", "\u{0}", "\u{378}", "🎉", "字", "\u{301}", "zq ", "İ", "!",
    ] {
        let text = unit.repeat(mebibyte / unit.len());
        let vector = MODEL.embed(&text);
        assert!(vector.iter().all(|x| x.is_finite()), "{unit:?}");
        let chunks = MODEL.chunks(&text);
        assert!(
            chunks.len() <= text.len() / 220 + 1,
            "{unit:?}: {}",
            chunks.len()
        );
    }
}

fn one(range: Range<usize>) -> Vec<Range<usize>> {
    std::iter::once(range).collect()
}

#[test]
fn a_text_that_fits_is_one_chunk() {
    for text in ["", " ", "short", "\u{301}"] {
        assert_eq!(MODEL.chunks(text), one(0..text.len()));
    }
    let full = "word ".repeat(254);
    assert_eq!(MODEL.chunks(&full), one(0..full.len()));
    let over = "word ".repeat(255);
    let start = (254 - 32) * 5;
    assert_eq!(MODEL.chunks(&over), [0..254 * 5 - 1, start..over.len()]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn chunks_fit_overlap_and_leave_nothing_out(
        words in proptest::collection::vec("[a-zé字🎉 ]{0,12}|\\PC{0,30}|[a-z]{90,110}", 0..120),
    ) {
        let text = words.join(" ");
        let tokens = |range: &Range<usize>| {
            let part = text.get(range.clone());
            MODEL.tokenizer.tokens(part.expect("at the bounds of characters"))
        };
        let chunks = MODEL.chunks(&text);
        prop_assert_eq!(chunks.first().map(|chunk| chunk.start), Some(0));
        prop_assert_eq!(chunks.last().map(|chunk| chunk.end), Some(text.len()));
        let mut joined = tokens(&chunks[0]);
        for chunk in &chunks {
            prop_assert!(tokens(chunk).len() <= 254);
        }
        for pair in chunks.windows(2) {
            let [before, after] = [&pair[0], &pair[1]];
            prop_assert!(before.start < after.start && before.end < after.end);
            let shared = if after.start < before.end {
                tokens(&(after.start..before.end)).len()
            } else {
                0
            };
            prop_assert!(shared <= 32);
            joined.extend(&tokens(after)[shared..]);
        }
        prop_assert_eq!(joined, tokens(&(0..text.len())));
    }

    #[test]
    fn any_text_has_a_vector(text in "\\PC{0,40}|.{0,40}") {
        let vector = MODEL.embed(&text);
        prop_assert!((cosine(&vector, &vector).sqrt() - 1.0).abs() < 1e-6);
        prop_assert!(vector.iter().map(|x| x * x).sum::<f32>() > 0.999);
    }
}
