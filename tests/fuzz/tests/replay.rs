//! Feeds every target its committed corpus: what a fuzzer found once is never found again.
#![expect(
    clippy::disallowed_methods,
    reason = "the corpus is read from the source tree"
)]

use std::fs;
use std::path::Path;

use mcp_fuzz::TARGETS;

#[test]
fn the_corpus_of_every_target_passes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut names: Vec<_> = fs::read_dir(&corpus)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, TARGETS.map(|(name, _)| name));
    for (name, target) in TARGETS {
        let mut fed = 0;
        for entry in fs::read_dir(corpus.join(name)).unwrap() {
            target(&fs::read(entry.unwrap().path()).unwrap());
            fed += 1;
        }
        assert!(fed > 0, "{name}");
    }
}
