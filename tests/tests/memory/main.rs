//! The server that remembers, as its clients and its operator meet it, over real pipes and sockets.
#![expect(
    clippy::disallowed_methods,
    reason = "tests look at the files that a server leaves"
)]

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod batches;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod entries;
#[cfg(test)]
mod files;
#[cfg(test)]
mod idle;
#[cfg(test)]
mod meaning;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod running;
#[cfg(test)]
mod unicode;
