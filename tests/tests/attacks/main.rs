//! The attack corpus: what hostile calls must not bring about, told as data in `tests/attacks` and
//! played against the real server.
//!
//! Each class of attacks is one test. It runs in a network namespace of its own in which every
//! address is this machine's, so that "no connection arrived" is seen, not inferred from a refusal.
#![expect(
    clippy::disallowed_methods,
    reason = "tests set their stage with files, processes and connections of their own"
)]

#[cfg(test)]
mod case;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod classes;
#[cfg(test)]
mod names;
#[cfg(test)]
mod network;
#[cfg(test)]
mod play;
#[cfg(test)]
mod races;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod site;
#[cfg(test)]
mod words;
