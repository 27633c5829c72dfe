//! The server as its clients and its operator meet it, over real pipes and sockets.
//!
//! One binary: linking is the slow part of an integration test. Each test starts servers of its
//! own, so tests share nothing and run in any order.
#![expect(
    clippy::disallowed_methods,
    reason = "tests set their stage with files, processes and connections of their own"
)]

#[cfg(test)]
mod audit;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod egress;
#[cfg(test)]
mod files;
#[cfg(test)]
mod hostile_lines;
#[cfg(test)]
mod http;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod proxied;
#[cfg(test)]
mod running;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod slow_clients;
#[cfg(test)]
mod traces;
