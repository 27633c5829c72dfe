//! Limits that control groups set on this process, in both of the kernel's versions
//! (cgroups(7); Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/).
//!
//! `sysinfo` knows the limit of memory only. Those of processors and processes need the same walk
//! up the groups, so all three are read in one way.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::kernel_files;
use super::mounts::{self, Mount};

/// Groups nested deeper than this are not looked at.
const DEEPEST_GROUP: usize = 64;

/// What this process and its children may use together; null where nothing limits them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Limits {
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Processor time, in processors: 1.5 is one and a half.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Version of the control groups in charge of memory: 1 or 2; null when there are none.
    pub cgroup_version: Option<u8>,
}

/// The group of this process in one hierarchy: its directories from itself up to the mount.
struct Group {
    directories: Vec<PathBuf>,
}

pub(super) fn read() -> Limits {
    let read = |path: &Path| kernel_files::read(path).ok();
    let memberships = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    limits(&memberships, &mounts::read(), read)
}

/// A limit holds for all groups below, so the smallest on the way up counts.
fn limits(memberships: &str, mounts: &[Mount], read: impl Fn(&Path) -> Option<String>) -> Limits {
    let v2 = Group::v2(memberships, mounts);
    let memory_v1 = Group::v1("memory", memberships, mounts);
    let smallest = |group: Option<&Group>, file: &str| {
        group?
            .values(file, &read)
            .filter_map(|value| value.trim().parse::<u64>().ok())
            .min()
    };
    let v1_memory = smallest(memory_v1.as_ref(), "memory.limit_in_bytes");
    let v1_pids = Group::v1("pids", memberships, mounts);
    let cpus_v1 = Group::v1("cpu", memberships, mounts).and_then(|group| group.cpus_v1(&read));
    let cpus_v2 = v2.as_ref().and_then(|group| group.cpus_v2(&read));
    Limits {
        // Version 1 writes "no limit" as the largest multiple of a page.
        memory_bytes: smallest(v2.as_ref(), "memory.max")
            .or(v1_memory)
            .filter(|&bytes| bytes < u64::MAX / 4),
        cpus: cpus_v2.or(cpus_v1),
        pids: smallest(v2.as_ref(), "pids.max").or_else(|| smallest(v1_pids.as_ref(), "pids.max")),
        cgroup_version: if memory_v1.is_some() {
            Some(1)
        } else {
            v2.map(|_| 2)
        },
    }
}

impl Group {
    /// `0::/path`, mounted with type `cgroup2`.
    fn v2(memberships: &str, mounts: &[Mount]) -> Option<Self> {
        let path = memberships
            .lines()
            .find_map(|line| line.strip_prefix("0::"))?;
        let mount = mounts.iter().find(|mount| mount.fs_type == "cgroup2")?;
        Some(Self::below(mount, path))
    }

    /// `4:memory:/path`, mounted with type `cgroup` and the controller among its options.
    fn v1(controller: &str, memberships: &str, mounts: &[Mount]) -> Option<Self> {
        let path = memberships.lines().find_map(|line| {
            let (_, line) = line.split_once(':')?;
            let (controllers, path) = line.split_once(':')?;
            controllers
                .split(',')
                .any(|name| name == controller)
                .then_some(path)
        })?;
        let mount = mounts.iter().find(|mount| {
            let mut options = mount.super_options.split(',');
            mount.fs_type == "cgroup" && options.any(|name| name == controller)
        })?;
        Some(Self::below(mount, path))
    }

    /// A container may see only its own part of the hierarchy: then the mount's root is a prefix
    /// of the path, or the path is not beneath it and the mount itself is the group.
    fn below(mount: &Mount, path: &str) -> Self {
        let mountpoint = Path::new(&mount.mountpoint);
        let inside = Path::new(path)
            .strip_prefix(&mount.root)
            .unwrap_or(Path::new(""));
        let own = mountpoint.join(inside);
        let is_inside = |directory: &&Path| directory.starts_with(mountpoint);
        let up = own.ancestors().take_while(is_inside).take(DEEPEST_GROUP);
        Self {
            directories: up.map(Path::to_path_buf).collect(),
        }
    }

    fn values(
        &self,
        file: &str,
        read: impl Fn(&Path) -> Option<String>,
    ) -> impl Iterator<Item = String> {
        self.directories
            .iter()
            .filter_map(move |directory| read(&directory.join(file)))
    }

    /// `cpu.max`: quota and period in microseconds, or `max` and a period.
    fn cpus_v2(&self, read: impl Fn(&Path) -> Option<String>) -> Option<f64> {
        let quotas = self.values("cpu.max", read).filter_map(|line| {
            let (quota, period) = line.trim().split_once(' ')?;
            share(quota, period)
        });
        quotas.min_by(f64::total_cmp)
    }

    /// `cpu.cfs_quota_us` and `cpu.cfs_period_us`; a quota of -1 is none.
    fn cpus_v1(&self, read: impl Fn(&Path) -> Option<String>) -> Option<f64> {
        let quotas = self.directories.iter().filter_map(|directory| {
            let quota = read(&directory.join("cpu.cfs_quota_us"))?;
            share(&quota, &read(&directory.join("cpu.cfs_period_us"))?)
        });
        quotas.min_by(f64::total_cmp)
    }
}

/// Processors, to a hundredth. The kernel allows periods to 1 s, so quotas fit 32 bits.
fn share(quota: &str, period: &str) -> Option<f64> {
    let quota: u32 = quota.trim().parse().ok()?;
    let period: u32 = period.trim().parse().ok()?;
    let share = f64::from(quota) / f64::from(period);
    share.is_finite().then(|| (share * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str = "1 0 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw";

    #[track_caller]
    fn check(memberships: &str, mounts: &[&str], files: &[(&str, &str)], expected: &Limits) {
        let read = |path: &Path| {
            let file = files.iter().find(|(name, _)| Path::new(name) == path);
            file.map(|(_, content)| (*content).to_owned())
        };
        assert_eq!(
            limits(memberships, &mounts::parse(&mounts.join("\n")), read),
            *expected
        );
    }

    #[test]
    fn takes_the_smallest_limit_on_the_way_up() {
        let files = [
            ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("/sys/fs/cgroup/a/memory.max", "1073741824\n"),
            ("/sys/fs/cgroup/a/b/cpu.max", "150000 100000\n"),
            ("/sys/fs/cgroup/a/cpu.max", "max 100000\n"),
            ("/sys/fs/cgroup/a/pids.max", "512\n"),
        ];
        let expected = Limits {
            memory_bytes: Some(1_073_741_824),
            cpus: Some(1.5),
            pids: Some(512),
            cgroup_version: Some(2),
        };
        check("0::/a/b\n", &[V2], &files, &expected);
    }

    #[test]
    fn reads_version_1_and_its_way_to_say_unlimited() {
        let mounts = [
            "2 0 0:31 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
            "3 0 0:32 /docker/x /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct",
            "4 0 0:33 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids",
        ];
        let memberships = "4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n2:pids:/\n0::/\n";
        let files = [
            (
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n"),
            ("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ("/sys/fs/cgroup/pids/pids.max", "max\n"),
        ];
        let expected = Limits {
            cpus: Some(0.5),
            cgroup_version: Some(1),
            ..Limits::default()
        };
        check(memberships, &mounts, &files, &expected);
        let unlimited = [("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")];
        let none = Limits {
            cgroup_version: Some(1),
            ..Limits::default()
        };
        check(memberships, &mounts, &unlimited, &none);
    }

    #[test]
    fn has_no_limits_without_control_groups() {
        check("", &[], &[], &Limits::default());
        check(
            "0::/elsewhere\n",
            &[V2],
            &[],
            &Limits {
                cgroup_version: Some(2),
                ..Limits::default()
            },
        );
    }
}
