//! Text to vectors, offline: all-MiniLM-L6-v2 in pure Rust.
//!
//! The model is the sentence encoder of Reimers and Gurevych
//! (<https://arxiv.org/abs/1908.10084>) on the six layers of `MiniLM`
//! (<https://arxiv.org/abs/2002.10957>). Its weights are kept as int8 with f32 scales, 24 MB, and
//! widened a panel at a time while computing; activations are f32. A vector keeps a cosine of .9993
//! or more to that of the f32 model.
//!
//! One file holds weights and vocabulary. `cargo xtask model` makes it with [`quantise()`] from the
//! published weights, and only that file, by its sha256, is accepted.
//!
//! A call computes on its own thread and nowhere else: about 15 ms for a text of 50 tokens, 80 ms
//! for a full window (one 2024 server core). Callers on an async runtime use a blocking thread.
//!
//! ```no_run
//! # fn main() -> Result<(), mcp_embedding::ModelError> {
//! use mcp_embedding::{FILE_NAME, Model};
//!
//! let model = Model::open(FILE_NAME.as_ref())?;
//! let text = "The user prefers dark mode.";
//! for range in model.chunks(text) {
//!     let vector = text.get(range).map(|chunk| model.embed(chunk));
//!     assert_eq!(vector.map(|vector| vector.len()), Some(model.dimension()));
//! }
//! # Ok(())
//! # }
//! ```

mod bert;
mod chunks;
mod container;
mod error;
mod file;
mod kernel;
mod matmul;
mod operands;
mod quantise;
mod shape;
#[cfg(test)]
mod tests;
mod vocabulary;
mod weights;
mod words;

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::Path;

use sha2::{Digest as _, Sha256};

pub use self::error::ModelError;
pub use self::quantise::quantise;

use self::chunks::Tokenizer;
use self::container::{Container, Kind};
use self::vocabulary::Vocabulary;
use self::weights::{Tensors, Weights};

/// Name of the model file that `cargo xtask model` makes and releases carry.
pub const FILE_NAME: &str = "all-MiniLM-L6-v2.int8.safetensors";

/// sha256 of that file, in lower-case hexadecimal.
pub const SHA256: &str = "f06778f68a5e18f449fffa5337c8763f9c90da0ba999cfcfd2b3c8915dd29ad0";

/// What [`Model::id`] answers: the model, how it is quantised, and the start of [`SHA256`].
const ID: &str = "all-MiniLM-L6-v2/int8-f06778f68a5e";

/// A loaded model. It takes about 25 MB, or 1 MB when its file is borrowed from the binary, and
/// 1 to 6 MB more for the time of a call.
pub struct Model {
    weights: Weights,
    tokenizer: Tokenizer,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Model").field(&self.id()).finish()
    }
}

impl Model {
    /// Loads the model file at `path`. The error says what is wrong with which file.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        Self::from_bytes(file::read(path)?).map_err(|error| error.of(path))
    }

    /// Loads a model file that is in memory; a borrowed one is not copied.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, ModelError> {
        let bytes = bytes.into();
        let container = Container::parse(&bytes)?;
        let found = sha256(&bytes);
        if found != SHA256 {
            return Err(ModelError::Digest { found });
        }
        let tensors = Tensors::find(&container)?;
        let length = container.length("vocabulary")?;
        let vocabulary = container.bytes("vocabulary", Kind::U8, &[length])?;
        let tokenizer = Tokenizer::new(Vocabulary::parse(vocabulary)?);
        Ok(Self {
            weights: Weights::new(bytes, tensors),
            tokenizer,
        })
    }

    /// Names the model and its weights: vectors of different ids must not be compared.
    pub fn id(&self) -> &str {
        ID
    }

    /// Components of a vector: 384.
    pub fn dimension(&self) -> usize {
        shape::WIDTH
    }

    /// Cuts `text` into ranges that each fit the model's window of 256 tokens. They lie at the
    /// bounds of words, overlap by at most 32 tokens, and leave no word out. A text that fits is
    /// one range, and so is an empty one.
    pub fn chunks(&self, text: &str) -> Vec<Range<usize>> {
        self.tokenizer.chunks(text)
    }

    /// The vector of `text`, of length one. What lies beyond the window is not read.
    pub fn embed(&self, text: &str) -> Vec<f32> {
        bert::embed(&self.weights, &self.tokenizer.window(text))
    }
}

/// The sha256 of `bytes` as [`SHA256`] is written.
pub fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(SHA256.len());
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let (Ok(()) | Err(fmt::Error)) = write!(text, "{byte:02x}");
    }
    text
}
