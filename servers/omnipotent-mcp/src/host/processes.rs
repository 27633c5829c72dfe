//! The table of processes: one pass over `/proc/PID/stat`, sorted, cut, and only then completed
//! with what costs another file each.
//!
//! The goal is at most 3 times the time of reading `stat` of each process. `sysinfo` reads `status`
//! of each as well, whatever it is asked for, and `statm` for its memory: with some 600 processes
//! its refresh alone took 2.9 to 3.4 times as long, while this whole list takes 1.4 to 1.8 times.
//! Names of users are read here too: `sysinfo` leaves out accounts whose shell is `/bin/false`, as
//! that of many services is.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use humantime_serde::re::humantime::format_rfc3339_seconds;
use mcp_security::processes::{ProcessStat, ProcessStatus, USER_HZ, scan};
use rustix::time::{ClockId, clock_gettime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sysinfo::System;

use super::{HostError, kernel_files, memory, percent, untold};

/// Size of a page on x86-64.
const PAGE_BYTES: u64 = 4096;

/// Below this, a share of processor time is noise: a tick is 10 ms.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(200);

/// How long names of users are remembered.
const USERS_KEPT: Duration = Duration::from_mins(1);

/// What to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessQuery {
    /// Part of the name, in any case; empty for all.
    pub name_contains: String,
    /// What comes first.
    pub order: ProcessOrder,
    /// How many at most.
    pub limit: usize,
}

/// What comes first in a list of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessOrder {
    /// The most memory.
    #[default]
    Memory,
    /// The largest share of processor time.
    Cpu,
    /// The lowest number.
    Pid,
    /// Names by alphabet, in any case.
    Name,
    /// The latest start.
    Started,
}

/// Processes, sorted and cut.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessList {
    /// The processes.
    pub rows: Vec<ProcessRow>,
    /// How many matched before the cut.
    pub total: usize,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProcessRow {
    /// Its number.
    pub pid: u32,
    /// The number of its parent; 0 when it has none here.
    pub ppid: u32,
    /// Its name, which the kernel cuts to 15 bytes.
    pub name: String,
    /// Its user's name, or number when the machine has no name for it; null when it ended
    /// meanwhile.
    pub username: Option<String>,
    /// What it does: running, sleeping, disk-sleep, stopped, tracing-stop, zombie, dead, idle or
    /// parked.
    pub status: String,
    /// Memory it holds in percent of the machine's.
    pub memory_percent: f64,
    /// Memory it holds, in bytes.
    pub memory_bytes: u64,
    /// Processor time in percent of one processor since it was listed before (at least 200 ms),
    /// else since it started.
    pub cpu_percent: f64,
    /// When it started, RFC 3339 in UTC.
    pub started_at: String,
}

/// Keeps what the next list needs: processor times to compare with, and names of users.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    baseline: Option<Baseline>,
    users: Option<Users>,
    /// Kept, as it moves with each correction of the clock.
    booted_at: Option<SystemTime>,
}

#[derive(Debug)]
struct Baseline {
    at: Instant,
    /// By number and start: a number alone is used again.
    cpu_ticks: HashMap<(u32, u64), u64>,
}

#[derive(Debug)]
struct Users {
    read_at: Instant,
    names: HashMap<u32, String>,
}

struct Ranked {
    stat: ProcessStat,
    cpu_percent: f64,
}

impl Sampler {
    pub(super) fn list(&mut self, query: &ProcessQuery) -> Result<ProcessList, HostError> {
        let stats = scan().map_err(|source| HostError::Unreadable {
            path: "/proc",
            source,
        })?;
        let mut ranked = self.rank(stats, ticks(since_boot()));
        ranked.retain(|process| matches(&process.stat.name, &query.name_contains));
        let total = ranked.len();
        sort(&mut ranked, query.order);
        ranked.truncate(query.limit);
        let memory = memory::read()?.memory.total;
        let booted_at = self.booted_at()?;
        let users = self.users();
        let rows = ranked
            .into_iter()
            .map(|process| process.row(booted_at, memory, users));
        Ok(ProcessList {
            rows: rows.collect(),
            total,
        })
    }

    fn rank(&mut self, stats: Vec<ProcessStat>, uptime: u64) -> Vec<Ranked> {
        let now = Instant::now();
        let elapsed = self
            .baseline
            .as_ref()
            .map(|baseline| now.duration_since(baseline.at));
        let interval = elapsed.filter(|&elapsed| elapsed >= SHORTEST_INTERVAL);
        let times = || {
            stats
                .iter()
                .map(|stat| ((stat.pid, stat.start_ticks), stat.cpu_ticks))
        };
        let fresh = (elapsed.is_none() || interval.is_some()).then(|| Baseline {
            at: now,
            cpu_ticks: times().collect(),
        });
        let share = |stat: &ProcessStat| {
            let before = interval.and_then(|interval| {
                let then = self
                    .baseline
                    .as_ref()?
                    .cpu_ticks
                    .get(&(stat.pid, stat.start_ticks))?;
                Some(percent(
                    stat.cpu_ticks.saturating_sub(*then),
                    ticks(interval),
                ))
            });
            let lifetime = || percent(stat.cpu_ticks, uptime.saturating_sub(stat.start_ticks));
            before.unwrap_or_else(lifetime)
        };
        let ranked = stats.iter().map(share).collect::<Vec<_>>();
        if fresh.is_some() {
            self.baseline = fresh;
        }
        let pair = |(stat, cpu_percent)| Ranked { stat, cpu_percent };
        stats.into_iter().zip(ranked).map(pair).collect()
    }

    fn booted_at(&mut self) -> Result<SystemTime, HostError> {
        if let Some(booted_at) = self.booted_at {
            return Ok(booted_at);
        }
        let seconds = System::boot_time().map_err(untold("boot time"))?;
        let booted_at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Ok(*self.booted_at.insert(booted_at))
    }

    fn users(&mut self) -> &HashMap<u32, String> {
        let stale = self
            .users
            .as_ref()
            .is_none_or(|users| users.read_at.elapsed() >= USERS_KEPT);
        if stale {
            self.users = None;
        }
        let read = || Users {
            read_at: Instant::now(),
            names: user_names(&kernel_files::read(Path::new("/etc/passwd")).unwrap_or_default()),
        };
        &self.users.get_or_insert_with(read).names
    }
}

impl Ranked {
    fn row(self, booted_at: SystemTime, memory: u64, users: &HashMap<u32, String>) -> ProcessRow {
        let stat = self.stat;
        let user = ProcessStatus::read(stat.pid)
            .ok()
            .map(|status| status.real_user);
        let name = |user: u32| {
            users
                .get(&user)
                .cloned()
                .unwrap_or_else(|| user.to_string())
        };
        let memory_bytes = stat.resident_pages.saturating_mul(PAGE_BYTES);
        let started = booted_at + Duration::from_millis(stat.start_ticks * (1000 / USER_HZ));
        ProcessRow {
            pid: stat.pid,
            ppid: stat.parent,
            name: stat.name,
            username: user.map(name),
            status: stat.state.as_str().to_owned(),
            memory_percent: percent(memory_bytes, memory),
            memory_bytes,
            cpu_percent: self.cpu_percent,
            started_at: format_rfc3339_seconds(started).to_string(),
        }
    }
}

fn matches(name: &str, part: &str) -> bool {
    part.is_empty() || name.to_lowercase().contains(&part.to_lowercase())
}

/// Equal ones are in the order of their numbers, so that equal calls give equal lists.
fn sort(ranked: &mut [Ranked], order: ProcessOrder) {
    let pid = |process: &Ranked| process.stat.pid;
    match order {
        ProcessOrder::Memory => {
            ranked.sort_by_key(|process| (Reverse(process.stat.resident_pages), pid(process)));
        }
        ProcessOrder::Cpu => ranked.sort_by(|a, b| {
            b.cpu_percent
                .total_cmp(&a.cpu_percent)
                .then(pid(a).cmp(&pid(b)))
        }),
        ProcessOrder::Pid => ranked.sort_by_key(pid),
        ProcessOrder::Name => {
            ranked.sort_by_cached_key(|process| (process.stat.name.to_lowercase(), pid(process)));
        }
        ProcessOrder::Started => {
            ranked.sort_by_key(|process| (Reverse(process.stat.start_ticks), pid(process)));
        }
    }
}

/// Names by number, from passwd(5). Directories of users elsewhere are not asked: they may be
/// away, and a list of processes must not wait for them.
fn user_names(passwd: &str) -> HashMap<u32, String> {
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    passwd.lines().rev().filter_map(user).collect()
}

fn ticks(duration: Duration) -> u64 {
    let ticks = duration.as_millis() * u128::from(USER_HZ) / 1000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// The clock that starts of processes are counted on; `sysinfo` has whole seconds of it.
fn since_boot() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}
