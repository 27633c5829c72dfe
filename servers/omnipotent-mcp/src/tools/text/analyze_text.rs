//! Measures a text.

mod measure;
mod sentences;

use std::time::Duration;

use mcp_toolcall::bounded::Text;
use mcp_toolcall::{Caching, Call, Code, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::suspicious::{Kind, Suspicious};
use measure::measure;

/// The longest text, in bytes.
const LONGEST_BYTES: usize = 10_000_000;

/// Up to here a text is measured in less time than it takes to hand it to another thread and
/// keep other calls waiting for.
const INLINE_BYTES: usize = 64 * 1024;

/// Measures a text.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnalyzeText;

/// The text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The text, at most 10,000,000 bytes of UTF-8.
    text: Text<0, LONGEST_BYTES>,
}

/// What was counted in the text.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Reply {
    /// Unicode scalar values.
    pub(super) characters: usize,
    /// Bytes of its UTF-8 form.
    pub(super) bytes: usize,
    /// Words by Unicode's rules (UAX #29): runs of letters or digits, not marks or spaces.
    pub(super) words: usize,
    /// Different words, regardless of case.
    pub(super) unique_words: usize,
    /// Lines; a line feed at the end starts no further one.
    pub(super) lines: usize,
    /// Sentences that hold a letter or digit: they end at a mark and a space, or at a blank line.
    pub(super) sentences: usize,
    /// Blocks of lines between lines that are blank.
    pub(super) paragraphs: usize,
    /// Characters in a word on average, to a hundredth; 0 without words.
    pub(super) average_word_length: f64,
    /// The ten most frequent words, the most frequent first.
    pub(super) most_frequent_words: Vec<WordCount>,
    /// Seconds that reading it takes at 200 words a minute.
    pub(super) reading_time_seconds: usize,
    /// Characters that are not seen or change what is seen: a sign of hidden text. At most 50.
    pub(super) suspicious: Vec<Suspicious>,
    /// How many different suspicious characters there are, listed or not.
    pub(super) suspicious_total: usize,
}

/// A word and how often it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WordCount {
    /// The word in lower case, cut after 64 characters.
    pub(super) word: String,
    /// How often.
    pub(super) count: usize,
}

impl Tool for AnalyzeText {
    const SPEC: ToolSpec = ToolSpec {
        name: "analyze_text",
        title: "Analyse a text",
        summary: "Counts characters, words, lines, sentences and paragraphs of a text of at most \
                  10 MB, finds its most frequent words and its reading time, and lists invisible, \
                  bidirectional and control characters that may hide something.",
        effects: Effects::READ,
        caching: Caching::None,
        deadline: Duration::from_secs(30),
    };
    type Args = Args;
    type Plan = String;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<String, ToolError> {
        let text = args.text.into_inner();
        if text.len() > LONGEST_BYTES {
            return Err(too_large(text.len()));
        }
        Ok(text)
    }

    async fn run(&self, text: String, call: &Call) -> Result<Reply, ToolError> {
        let stop = call.cancelled.child_token();
        if text.len() <= INLINE_BYTES {
            return measure(&text, || stop.is_cancelled()).ok_or_else(cancelled);
        }
        let _stop_when_dropped = stop.clone().drop_guard();
        tokio::task::spawn_blocking(move || measure(&text, || stop.is_cancelled()))
            .await
            .map_err(|source| {
                ToolError::new(Code::Internal, "the analysis ended early").with_source(source)
            })?
            .ok_or_else(cancelled)
    }
}

fn too_large(bytes: usize) -> ToolError {
    ToolError::new(Code::TooLarge, format!("the text is {bytes} bytes long"))
        .with_hint("give it in parts of at most 10,000,000 bytes")
        .with_limit(u64::try_from(LONGEST_BYTES).unwrap_or(u64::MAX))
}

fn cancelled() -> ToolError {
    ToolError::new(Code::Cancelled, "the call was cancelled")
}

#[cfg(test)]
mod tests {
    use mcp_toolcall::Caller;

    use super::*;

    async fn analyze(text: String) -> Result<Reply, ToolError> {
        let call = Call::unwatched(Caller::new("test"));
        let args = serde_json::from_value(serde_json::json!({ "text": text })).unwrap();
        let plan = AnalyzeText.vet(args, &call).await?;
        AnalyzeText.run(plan, &call).await
    }

    #[tokio::test]
    async fn counts_alike_here_and_on_another_thread() {
        let short = analyze("One two. ".repeat(4)).await.unwrap();
        let long = analyze("One two. ".repeat(40_000)).await.unwrap();
        assert_eq!((short.words, short.sentences), (8, 4));
        assert_eq!((long.words, long.sentences), (80_000, 40_000));
        assert_eq!(long.unique_words, 2);
    }

    #[tokio::test]
    async fn refuses_texts_that_are_longer_in_bytes_than_in_characters() {
        let error = analyze("é".repeat(LONGEST_BYTES / 2 + 1))
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::TooLarge);
    }

    #[tokio::test]
    async fn stops_when_the_call_is_cancelled() {
        let call = Call::unwatched(Caller::new("test"));
        call.cancelled.cancel();
        let error = AnalyzeText
            .run("word ".repeat(50_000), &call)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::Cancelled);
    }
}
