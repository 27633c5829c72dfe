//! The machine as the tools see it: processors, memory, disks, limits and processes.
//!
//! `sysinfo` is asked wherever it knows. What it does not know is read here: the load of the
//! processors since boot, used space on disks, the limits of control groups, and the table of
//! processes, where reading less of each process is twice as fast. Each module says why.

mod cpu;
mod disks;
mod kernel_files;
mod limits;
mod memory;
mod mounts;
mod platform;
mod processes;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sysinfo::System;

pub use cpu::{Cpu, CpuWindow};
pub use disks::{Disk, Disks};
pub use limits::Limits;
pub use memory::{Memory, MemoryAndSwap, Swap};
pub use platform::{Load, Platform};
pub use processes::{ProcessList, ProcessOrder, ProcessQuery, ProcessRow};

/// A file that the kernel writes, if it is there.
pub(crate) fn kernel_text(path: &Path) -> Option<String> {
    kernel_files::read(path).ok()
}

/// A handle on the machine. Cheap to clone; all clones share their samples.
#[derive(Debug, Clone, Default)]
pub struct Host {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    cpu: Mutex<cpu::Sampler>,
    processes: Mutex<processes::Sampler>,
    disks: disks::Probe,
    platform: platform::Fixed,
}

/// The kernel did not say what it says on every Linux.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file of `/proc` or `/sys` could not be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: &'static str,
        /// What the kernel answered.
        #[source]
        source: io::Error,
    },
    /// A file of `/proc` or `/sys` lacks a field.
    #[error("{path} has no usable {field}")]
    Malformed {
        /// The file.
        path: &'static str,
        /// The field.
        field: &'static str,
    },
    /// The system does not say something that every Linux says.
    #[error("the system does not tell its {what}")]
    Untold {
        /// What it was asked for.
        what: &'static str,
        /// Why.
        #[source]
        source: sysinfo::Error,
    },
    /// The thread that asked the kernel ended early.
    #[error("the reading thread ended early")]
    Interrupted {
        /// How it ended.
        #[source]
        source: tokio::task::JoinError,
    },
}

impl Host {
    /// The machine. Asks nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How busy the processors are. Never waits for a sampling interval.
    pub fn cpu(&self) -> Result<Cpu, HostError> {
        let physical_cores = self.inner.platform.physical_cores();
        lock(&self.inner.cpu).sample(physical_cores)
    }

    /// Memory and swap space.
    pub fn memory(&self) -> Result<MemoryAndSwap, HostError> {
        memory::read()
    }

    /// Space on real disks, at most 64. Waits at most one second; if a disk does not answer in
    /// time, all count as unavailable and are listed as last known.
    pub async fn disks(&self) -> Result<Disks, HostError> {
        self.inner.disks.measure().await
    }

    /// What the machine is.
    pub fn platform(&self) -> Platform {
        self.inner.platform.describe()
    }

    /// Mean number of processes that ran or waited to run.
    pub fn load(&self) -> Result<Load, HostError> {
        platform::load()
    }

    /// Whole seconds since boot.
    pub fn uptime_seconds(&self) -> Result<u64, HostError> {
        System::uptime().map_err(untold("uptime"))
    }

    /// Limits that the control groups of this process set.
    pub fn limits(&self) -> Limits {
        limits::read()
    }

    /// The processes of the machine, sorted, then cut.
    pub async fn processes(&self, query: ProcessQuery) -> Result<ProcessList, HostError> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || lock(&inner.processes).list(&query))
            .await
            .map_err(|source| HostError::Interrupted { source })?
    }
}

/// What to say when `sysinfo` does not know of something.
fn untold(what: &'static str) -> impl Fn(sysinfo::Error) -> HostError {
    move |source| HostError::Untold { what, source }
}

/// A sampler that panicked half-way holds old samples at worst, so it stays in use.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `part` of `whole` in percent, rounded to a tenth; 0 when there is no whole.
fn percent(part: u64, whole: u64) -> f64 {
    let whole = u128::from(whole);
    let tenths = (u128::from(part) * 1000 + whole / 2)
        .checked_div(whole)
        .unwrap_or(0);
    f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
}

#[cfg(test)]
mod tests;
