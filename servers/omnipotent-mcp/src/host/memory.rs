//! Memory and swap space.

use schemars::JsonSchema;
use serde::Serialize;
use sysinfo::System;

use super::{HostError, percent, untold};

/// Memory of the machine, in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What can be had without swapping.
    pub available: u64,
    /// `total` less `available`.
    pub used: u64,
    /// `used` in percent of `total`.
    pub percent: f64,
}

/// Swap space, in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Swap {
    /// All of it; 0 when there is none.
    pub total: u64,
    /// What is in use.
    pub used: u64,
    /// What is free.
    pub free: u64,
    /// `used` in percent of `total`.
    pub percent: f64,
}

/// Memory and swap space, read together.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryAndSwap {
    /// Memory.
    pub memory: Memory,
    /// Swap space.
    pub swap: Swap,
}

pub(super) fn read() -> Result<MemoryAndSwap, HostError> {
    let mut system = System::new().map_err(untold("memory"))?;
    system.refresh_memory();
    if system.total_memory() == 0 {
        return Err(HostError::Malformed {
            path: "/proc/meminfo",
            field: "MemTotal",
        });
    }
    Ok(MemoryAndSwap {
        memory: Memory::new(system.total_memory(), system.available_memory()),
        swap: Swap::new(system.total_swap(), system.free_swap()),
    })
}

impl Memory {
    /// In a container the system may see more available than there is in all.
    fn new(total: u64, available: u64) -> Self {
        let available = available.min(total);
        let used = total - available;
        Self {
            total,
            available,
            used,
            percent: percent(used, total),
        }
    }
}

impl Swap {
    fn new(total: u64, free: u64) -> Self {
        let free = free.min(total);
        let used = total - free;
        Self {
            total,
            used,
            free,
            percent: percent(used, total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_uses_less_than_nothing() {
        let check = |total: u64, available: u64, used: u64, percent: f64| {
            let memory = Memory::new(total, available);
            assert_eq!((memory.used, memory.percent), (used, percent));
            let swap = Swap::new(total, available);
            assert_eq!((swap.used, swap.percent), (used, percent));
        };
        check(1000, 750, 250, 25.0);
        check(1000, 2000, 0, 0.0);
        check(0, 0, 0, 0.0);
    }
}
