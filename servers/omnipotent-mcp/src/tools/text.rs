//! Tools about text.

pub mod analyze_text;
mod suspicious;
