//! What a call may touch: policy, and the witness types that prove it was asked.

pub mod addresses;
pub mod commands;
pub mod environment;
pub mod files;
pub mod hosts;
pub mod names;
pub mod paths;
pub mod processes;
pub mod redaction;
