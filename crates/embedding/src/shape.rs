//! The numbers of all-MiniLM-L6-v2, from its `config.json` and `sentence_bert_config.json`.

/// Components of a vector and of every token's state.
pub(crate) const WIDTH: usize = 384;
pub(crate) const LAYERS: usize = 6;
pub(crate) const HEADS: usize = 12;
pub(crate) const HEAD_WIDTH: usize = WIDTH / HEADS;
/// Width between the two halves of a feed-forward block.
pub(crate) const INNER: usize = 1536;
/// Entries of the vocabulary.
pub(crate) const VOCABULARY: usize = 30_522;
/// Tokens that are read of a text, the two that enclose it included.
pub(crate) const WINDOW: usize = 256;
/// Positions the original has weights for.
pub(crate) const POSITIONS: usize = 512;
/// Keeps a layer's normalisation from dividing by zero.
pub(crate) const EPSILON: f32 = 1e-12;

/// Weights of a row that share a scale.
pub(crate) const GROUP: usize = 64;
