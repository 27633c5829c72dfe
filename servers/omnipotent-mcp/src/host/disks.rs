//! Space on real disks, without waiting for one that does not answer.
//!
//! `sysinfo` says what is mounted, without network shares. It has no count of used blocks: what is
//! reserved for root would count as used. The figures are therefore statvfs(3)'s, as in df(1).

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex as StdMutex;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use sysinfo::DiskRefreshKind;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::{HostError, lock, percent, untold};

/// How long all disks together may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Disks listed in one call.
const MOST_DISKS: usize = 64;

/// One disk, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Disk {
    /// What is mounted, such as `/dev/sda1`.
    pub device: String,
    /// Where it is mounted; the shortest path when there are several.
    pub mountpoint: String,
    /// Type of the file system, such as `ext4`.
    pub fs_type: String,
    /// Its size.
    pub total: u64,
    /// What is in use.
    pub used: u64,
    /// What an ordinary user can still write.
    pub free: u64,
    /// `used` in percent of what an ordinary user could use.
    pub percent: f64,
}

/// The disks of the machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Disks {
    /// The shortest mount points first.
    pub disks: Vec<Disk>,
    /// How many did not answer in time: all or none, as they are asked one after the other. What
    /// is listed then was last known.
    pub unavailable: u32,
}

type Survey = Result<Vec<Disk>, HostError>;

/// Asks the disks on a thread of its own. One that hangs on a dead mount cannot be ended, so no
/// other is started while it hangs.
#[derive(Debug, Default)]
pub(super) struct Probe {
    running: Mutex<Option<JoinHandle<Survey>>>,
    known: StdMutex<Vec<Disk>>,
}

/// What `sysinfo` says of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    source: String,
    mountpoint: PathBuf,
    fs_type: String,
    /// Number of the device; subvolumes of one btrfs have different ones.
    device_number: Option<u64>,
}

impl Probe {
    pub(super) async fn measure(&self) -> Result<Disks, HostError> {
        self.ask(PATIENCE, survey).await
    }

    async fn ask(
        &self,
        patience: Duration,
        survey: impl FnOnce() -> Survey + Send + 'static,
    ) -> Result<Disks, HostError> {
        if let Ok(answer) = tokio::time::timeout(patience, self.fresh(survey)).await {
            return Ok(Disks {
                disks: answer?,
                unavailable: 0,
            });
        }
        let disks = lock(&self.known).clone();
        let unavailable = u32::try_from(disks.len()).unwrap_or(u32::MAX).max(1);
        Ok(Disks { disks, unavailable })
    }

    /// An answer that nobody waited for is old by now, so it is not used.
    async fn fresh(&self, survey: impl FnOnce() -> Survey + Send + 'static) -> Survey {
        let mut running = self.running.lock().await;
        drop(running.take_if(|survey| survey.is_finished()));
        let answer = running
            .get_or_insert_with(|| tokio::task::spawn_blocking(survey))
            .await;
        *running = None;
        let disks = answer.map_err(|source| HostError::Interrupted { source })??;
        lock(&self.known).clone_from(&disks);
        Ok(disks)
    }
}

/// May block for as long as a server is away.
fn survey() -> Survey {
    let mounts = sysinfo::Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing())
        .map_err(untold("disks"))?;
    let disks = real_disks(mounts.iter().map(Mount::from));
    Ok(disks.into_iter().filter_map(space).collect())
}

impl From<&sysinfo::Disk> for Mount {
    fn from(disk: &sysinfo::Disk) -> Self {
        Self {
            source: disk.name().to_string_lossy().into_owned(),
            mountpoint: disk.mount_point().to_owned(),
            fs_type: disk.file_system().to_string_lossy().into_owned(),
            device_number: disk.id(),
        }
    }
}

/// Each file system once, at its shortest path; of two mounted at one place, the later is seen.
fn real_disks(mounts: impl Iterator<Item = Mount>) -> Vec<Mount> {
    let seen: BTreeMap<PathBuf, Mount> = mounts
        .map(|mount| (mount.mountpoint.clone(), mount))
        .collect();
    let mut disks: Vec<Mount> = seen.into_values().filter(is_real).collect();
    disks.sort_by_key(|mount| mount.mountpoint.as_os_str().len());
    let mut devices = HashSet::new();
    disks.retain(|mount| devices.insert(mount.device()));
    disks.truncate(MOST_DISKS);
    disks
}

/// Layered file systems count only as the root of a container: elsewhere they are the roots of
/// other containers. Images are always full.
fn is_real(mount: &Mount) -> bool {
    match mount.fs_type.as_str() {
        "overlay" => mount.mountpoint == Path::new("/"),
        "erofs" => false,
        _ => true,
    }
}

impl Mount {
    /// A source that is no path, such as `fuse`, does not tell two mounts apart.
    fn device(&self) -> (Option<String>, Option<u64>) {
        if self.source.starts_with('/') {
            (Some(self.source.clone()), None)
        } else {
            (None, self.device_number)
        }
    }
}

/// Percent as df(1) counts it; none for file systems that hold no data.
fn space(mount: Mount) -> Option<Disk> {
    let space = rustix::fs::statvfs(&mount.mountpoint).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
    let used = bytes(space.f_blocks.saturating_sub(space.f_bfree));
    let free = bytes(space.f_bavail);
    (space.f_blocks > 0).then(|| Disk {
        device: mount.source,
        mountpoint: mount.mountpoint.to_string_lossy().into_owned(),
        fs_type: mount.fs_type,
        total: bytes(space.f_blocks),
        used,
        free,
        percent: percent(used, used.saturating_add(free)),
    })
}

#[cfg(test)]
mod tests;
