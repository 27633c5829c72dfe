//! Which tiers this host allows, found out by really running a command in each.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::supervise::Next;
use super::{CommandSpec, RunError, Runner, WorkingDirectory};
use crate::boundary::{Access, Boundary, Guard};
use crate::config::{Network, Waiver};
use crate::tier::{Confinement, Layer, Tier};

/// Landlock's version that keeps signals inside (landlock(7)).
const SIGNAL_ABI: u8 = 6;
/// How often a tier is tried before it counts as missing: a machine may be short of something for a
/// moment.
const ATTEMPTS: u32 = 3;
/// Longest time that trying out a tier may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of trying each tier. An answer is kept: what a host allows does not change often,
/// and a new server asks anew.
#[derive(Debug, Default)]
pub(super) struct Probes {
    strict: OnceCell<Result<Confinement, Arc<RunError>>>,
    landlock: OnceCell<Result<Confinement, Arc<RunError>>>,
    none: OnceCell<Result<Confinement, Arc<RunError>>>,
}

/// The tiers that would do, and why this host does not allow them.
#[derive(Debug, Clone)]
pub struct Shortfall {
    /// The least tier that will do.
    pub required: Tier,
    /// Each tier that was tried, and what failed.
    pub missing: Vec<(Tier, Arc<RunError>)>,
}

impl std::error::Error for Shortfall {}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (tier, error)) in self.missing.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{tier}: {error}")?;
            if let Some(source) = std::error::Error::source(&**error) {
                write!(f, ": {source}")?;
            }
        }
        Ok(())
    }
}

/// What a tier cannot hold of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inexpressible {
    /// The tier.
    pub tier: Tier,
    /// What the operator may waive.
    pub waivable: Vec<Waiver>,
    /// The network mode, if it needs a network of its own.
    pub network: Option<Network>,
}

impl std::error::Error for Inexpressible {}

impl fmt::Display for Inexpressible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waivable = self.waivable.iter().map(ToString::to_string);
        let network = self.network.iter().map(|mode| format!("network `{mode}`"));
        let all: Vec<String> = waivable.chain(network).collect();
        f.write_str(&all.join(", "))
    }
}

impl Runner {
    /// The tier that a command within `boundary` runs in.
    pub(super) async fn tier(&self, boundary: &Boundary) -> Result<Tier, RunError> {
        let mut missing = Vec::new();
        let allowed = Tier::ALL
            .into_iter()
            .filter(|tier| (boundary.require..=boundary.prefer).contains(tier));
        for tier in allowed {
            match self.try_out(tier, boundary).await {
                Ok(confinement) => {
                    require_expressible(boundary, &confinement)?;
                    return Ok(tier);
                }
                Err(error) => missing.push((tier, error)),
            }
        }
        Err(RunError::Unavailable(Shortfall {
            required: boundary.require,
            missing,
        }))
    }

    /// What holds commands in `tier`, or why they cannot run there; `boundary` gives the ground.
    /// Tried out once for each tier.
    pub async fn try_out(
        &self,
        tier: Tier,
        boundary: &Boundary,
    ) -> Result<Confinement, Arc<RunError>> {
        let probes = &self.shared.probes;
        let cell = match tier {
            Tier::Strict => &probes.strict,
            Tier::Landlock => &probes.landlock,
            Tier::None => &probes.none,
        };
        let answer = cell.get_or_init(|| async {
            let mut tried = self.try_once(tier, boundary).await;
            for _ in 1..ATTEMPTS {
                if tried.is_ok() {
                    break;
                }
                tried = self.try_once(tier, boundary).await;
            }
            tried.map_err(Arc::new)
        });
        answer.await.clone()
    }

    async fn try_once(&self, tier: Tier, boundary: &Boundary) -> Result<Confinement, RunError> {
        // It is short and takes no turn: the command that it is for may have the only one.
        let tried = self.run_in(tier, trial(boundary), (None, Next::Unknown), drop);
        // The future is large, and this is rare.
        Box::pin(tried).await.map(|outcome| outcome.confinement)
    }
}

/// A command that does nothing, on the same ground.
fn trial(boundary: &Boundary) -> CommandSpec {
    CommandSpec {
        program: "/bin/true".to_owned(),
        args: Vec::new(),
        environment: Vec::new(),
        cwd: WorkingDirectory::Temporary,
        stdin: Vec::new(),
        timeout: PATIENCE,
        output_cap_bytes: 0,
        boundary: Boundary {
            roots: Vec::new(),
            guarded: Vec::new(),
            ..boundary.clone()
        },
        gateway: None,
    }
}

/// A network of a command's own needs a namespace, so only the strict tier has one.
fn require_expressible(boundary: &Boundary, probed: &Confinement) -> Result<(), RunError> {
    let waivable = match probed.tier {
        Tier::Strict => return Ok(()),
        Tier::Landlock => beyond_landlock(boundary, probed),
        // It promises nothing about files.
        Tier::None => Vec::new(),
    };
    let network = boundary.ground.network;
    let network = (network != Network::None).then_some(network);
    if waivable.is_empty() && network.is_none() {
        return Ok(());
    }
    Err(RunError::Inexpressible(Inexpressible {
        tier: probed.tier,
        waivable,
        network,
    }))
}

/// Landlock only adds rights to what lies beneath a path: it cannot take a part out of it.
fn beyond_landlock(boundary: &Boundary, probed: &Confinement) -> Vec<Waiver> {
    let ground = &boundary.ground;
    let writable = boundary
        .roots
        .iter()
        .any(|root| root.access == Access::ReadWrite);
    let is_protecting = writable && !(ground.names.is_empty() && boundary.guarded.is_empty());
    let is_hiding = boundary.guarded.iter().any(|it| it.guard == Guard::Hidden)
        || ground.hidden.iter().any(|path| is_open(boundary, path));
    let knows_signals = probed
        .layers
        .iter()
        .any(|layer| matches!(layer, Layer::Landlock { abi } if *abi >= SIGNAL_ABI));
    [
        (is_protecting, Waiver::ProtectedPaths),
        (is_hiding, Waiver::HiddenPaths),
        (!knows_signals, Waiver::Signals),
    ]
    .into_iter()
    .filter(|(is_needed, waiver)| *is_needed && !boundary.waived.contains(waiver))
    .map(|(_, waiver)| waiver)
    .collect()
}

/// Whether a hidden path lies where the command may read, and this user could read it.
fn is_open(boundary: &Boundary, path: &std::path::Path) -> bool {
    let roots = boundary.roots.iter().map(|root| &root.place.path);
    roots
        .chain(&boundary.ground.readable)
        .any(|top| path.starts_with(top))
        && rustix::fs::access(path, rustix::fs::Access::READ_OK).is_ok()
}
