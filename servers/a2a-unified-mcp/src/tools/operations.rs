//! What the tools about the server itself look at here.

pub mod health;
pub mod knowledge_stats;
