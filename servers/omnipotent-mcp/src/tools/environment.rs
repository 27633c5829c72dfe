//! Tools about the environment of the server.

pub mod get_env_var;
