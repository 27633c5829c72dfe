//! What becomes of a memory whose processes are killed, whose disk fills and whose file is spoilt:
//! nothing that was acknowledged is lost, and whoever calls is told what is wrong.
#![expect(
    clippy::disallowed_methods,
    reason = "tests look at the files that a server leaves, and spoil them"
)]

#[cfg(test)]
mod damage;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod room;
#[cfg(test)]
mod script;
