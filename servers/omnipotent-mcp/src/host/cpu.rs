//! How busy the processors are.

use std::path::Path;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;
use sysinfo::{MINIMUM_CPU_UPDATE_INTERVAL, System};

use super::{HostError, kernel_files, percent, untold};

const STAT: &str = "/proc/stat";

/// Processors and how busy they are.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Cpu {
    /// Cores, not counting hardware threads.
    pub physical_cores: u32,
    /// Processors that the system schedules on.
    pub logical_cores: u32,
    /// Share of time that all processors together were busy, 0 to 100.
    pub cpu_percent: f64,
    /// The same for each processor, in the kernel's order.
    pub per_cpu: Vec<f64>,
    /// What the shares are averages over.
    pub cpu_window: CpuWindow,
}

/// What a processor share is an average over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CpuWindow {
    /// The time since the machine started: no interval of 200 ms has passed yet.
    SinceBoot,
    /// The time since the sample before, at least 200 ms.
    Interval,
}

/// Keeps the last sample, so that no call has to wait for an interval. Asks nothing before its
/// first sample, so that the server's start does not pay for it.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    sampled: Option<Sampled>,
}

#[derive(Debug)]
struct Sampled {
    system: System,
    at: Instant,
    window: CpuWindow,
}

/// Of all processors together, then of each.
#[derive(Debug, Clone, PartialEq)]
struct Shares {
    all: f64,
    each: Vec<f64>,
}

impl Sampler {
    /// The shares as of now, over the longest recent window there is.
    pub(super) fn sample(&mut self, physical_cores: u32) -> Result<Cpu, HostError> {
        let sampled = match &mut self.sampled {
            Some(sampled) => {
                sampled.advance();
                sampled
            }
            none => none.insert(Sampled::first()?),
        };
        let cpu_window = sampled.window;
        let shares = match cpu_window {
            CpuWindow::SinceBoot => since_boot()?,
            CpuWindow::Interval => sampled.shares(),
        };
        Ok(Cpu {
            physical_cores,
            logical_cores: u32::try_from(shares.each.len()).unwrap_or(u32::MAX),
            cpu_percent: shares.all,
            per_cpu: shares.each,
            cpu_window,
        })
    }
}

impl Sampled {
    fn first() -> Result<Self, HostError> {
        let mut system = System::new().map_err(untold("processors"))?;
        system.refresh_cpu_usage();
        Ok(Self {
            system,
            at: Instant::now(),
            window: CpuWindow::SinceBoot,
        })
    }

    fn advance(&mut self) {
        if self.at.elapsed() >= MINIMUM_CPU_UPDATE_INTERVAL {
            self.system.refresh_cpu_usage();
            self.at = Instant::now();
            self.window = CpuWindow::Interval;
        }
    }

    fn shares(&self) -> Shares {
        let cpus = self.system.cpus().iter();
        Shares {
            all: tenths(self.system.global_cpu_usage()),
            each: cpus.map(|cpu| tenths(cpu.usage())).collect(),
        }
    }
}

fn tenths(percent: f32) -> f64 {
    (f64::from(percent) * 10.0).round() / 10.0
}

/// `sysinfo` has no average before its second sample.
fn since_boot() -> Result<Shares, HostError> {
    let content = kernel_files::read(Path::new(STAT))
        .map_err(|source| HostError::Unreadable { path: STAT, source })?;
    parse(&content).ok_or(HostError::Malformed {
        path: STAT,
        field: "cpu line",
    })
}

fn parse(content: &str) -> Option<Shares> {
    let mut lines = content.lines().take_while(|line| line.starts_with("cpu"));
    Some(Shares {
        all: parse_line(lines.next()?)?,
        each: lines.filter_map(parse_line).collect(),
    })
}

/// `cpuN user nice system idle iowait irq softirq steal guest guest_nice` in ticks
/// (`proc_stat(5)`); guest time is part of user time already.
fn parse_line(line: &str) -> Option<f64> {
    let fields = line.split_ascii_whitespace().skip(1).take(8);
    let ticks: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
    let total = ticks.iter().sum();
    let idle = ticks
        .get(3)?
        .saturating_add(ticks.get(4).copied().unwrap_or(0));
    Some(percent(u64::saturating_sub(total, idle), total))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn averages_since_boot_until_an_interval_has_passed() {
        let start = Instant::now();
        let mut sampler = Sampler::default();
        let mut cpu = sampler.sample(1).unwrap();
        assert_eq!(cpu.cpu_window, CpuWindow::SinceBoot);
        while cpu.cpu_window == CpuWindow::SinceBoot {
            assert!(start.elapsed() < Duration::from_secs(10), "{cpu:?}");
            assert!(cpu.cpu_percent > 0.0, "{cpu:?}");
            std::thread::yield_now();
            cpu = sampler.sample(1).unwrap();
        }
        assert!(start.elapsed() >= MINIMUM_CPU_UPDATE_INTERVAL);
        assert_eq!(
            usize::try_from(cpu.logical_cores).unwrap(),
            cpu.per_cpu.len()
        );
        assert!((0.0..=100.0).contains(&cpu.cpu_percent), "{cpu:?}");
        assert_eq!(sampler.sample(1).unwrap(), cpu);
    }

    #[test]
    fn counts_guest_time_once_and_waiting_as_idle() {
        let stat = "cpu  10 1 2 70 5 1 1 10 9 1\ncpu0 10 1 2 70 5 1 1 10 9 1\nintr 5\n";
        let shares = Shares {
            all: 25.0,
            each: vec![25.0],
        };
        assert_eq!(parse(stat), Some(shares));
        assert_eq!(parse("intr 5\n"), None);
        assert_eq!(parse("cpu 1 2\n"), None);
    }
}
