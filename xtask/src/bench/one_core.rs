//! Client and server on one core.
//!
//! Where the kernel places two processes that take turns decides more about a call of 20 µs than
//! the call does: waking an idle core of a virtual machine alone takes longer.

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// While it is held, this thread and the processes it starts stay on one core.
pub(super) struct OneCore {
    before: CpuSet,
}

impl OneCore {
    /// The last core, since the first one tends to serve interrupts.
    pub(super) fn enter() -> Result<Self> {
        let before = sched_getaffinity(None)?;
        let last = (0..CpuSet::MAX_CPU).rev().find(|core| before.is_set(*core));
        let mut only = CpuSet::new();
        only.set(last.context("this thread may run on no core")?);
        sched_setaffinity(None, &only)?;
        Ok(Self { before })
    }
}

impl Drop for OneCore {
    fn drop(&mut self) {
        if let Err(error) = sched_setaffinity(None, &self.before) {
            eprintln!("xtask: still on one core: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_other_cores_back() {
        let before = sched_getaffinity(None).unwrap();
        let held = OneCore::enter().unwrap();
        assert_eq!(sched_getaffinity(None).unwrap().count(), 1);
        drop(held);
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }
}
