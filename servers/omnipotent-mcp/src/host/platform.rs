//! What the machine is, and how loaded.

use std::sync::OnceLock;

use schemars::JsonSchema;
use serde::Serialize;
use sysinfo::{CpuRefreshKind, System};

use super::{HostError, untold};

/// What the machine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Platform {
    /// The kernel's name: `Linux`.
    pub system: String,
    /// The kernel's release, such as `6.12.0`.
    pub release: String,
    /// The distribution's name and version; null when it does not say.
    pub distribution: Option<String>,
    /// The instruction set: `x86_64`.
    pub machine: String,
    /// The processor's model name; empty when the kernel does not say.
    pub processor: String,
    /// The name of the machine, or of the container.
    pub hostname: String,
}

/// Mean number of processes that ran or waited to run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Load {
    /// Over the last minute.
    pub one: f64,
    /// Over the last five minutes.
    pub five: f64,
    /// Over the last fifteen minutes.
    pub fifteen: f64,
}

/// What stays as it is until the next boot, asked once.
#[derive(Debug, Default)]
pub(super) struct Fixed {
    processor: OnceLock<Processor>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Processor {
    model: String,
    physical_cores: u32,
}

impl Fixed {
    pub(super) fn physical_cores(&self) -> u32 {
        self.processor().physical_cores
    }

    /// What the system does not say, as in some containers, is empty.
    pub(super) fn describe(&self) -> Platform {
        Platform {
            system: "Linux".to_owned(),
            release: System::kernel_version().unwrap_or_default(),
            distribution: distribution(),
            machine: System::cpu_arch(),
            processor: self.processor().model.clone(),
            hostname: System::host_name().unwrap_or_default(),
        }
    }

    fn processor(&self) -> &Processor {
        self.processor.get_or_init(|| Processor {
            model: model().unwrap_or_default(),
            physical_cores: System::physical_core_count()
                .ok()
                .and_then(|cores| u32::try_from(cores).ok())
                .unwrap_or_default(),
        })
    }
}

pub(super) fn load() -> Result<Load, HostError> {
    let load = System::load_average().map_err(untold("load average"))?;
    Ok(Load {
        one: load.one,
        five: load.five,
        fifteen: load.fifteen,
    })
}

fn model() -> Option<String> {
    let mut system = System::new().ok()?;
    system.refresh_cpu_list(CpuRefreshKind::nothing());
    Some(system.cpus().first()?.brand().to_owned())
}

/// Rolling distributions have a name and no version.
fn distribution() -> Option<String> {
    let name = System::name().ok()?;
    Some(match System::os_version() {
        Ok(version) => format!("{name} {version}"),
        Err(_) => name,
    })
}
