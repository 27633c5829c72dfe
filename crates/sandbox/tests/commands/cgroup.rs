//! Control groups in the kernel's own file system. Only root may write it on most machines, and
//! this is about resources, not about permissions: it is skipped, visibly, without.
#![expect(clippy::unwrap_used, reason = "a test that cannot start has failed")]
#![expect(clippy::print_stdout, reason = "says what was skipped or measured")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mcp_sandbox::{Group, Layer, Runner, SandboxConfig, Status, Tier};

use crate::support::{alive_with, helper, in_tier, mark, printed, sh, until};

/// A group of the test's own, removed on drop.
struct Top(Group);

impl Top {
    /// In each version that can be written here.
    fn each(name: &str) -> Vec<Self> {
        let name = format!("mcp-tests-{name}-{}", std::process::id());
        let place = |hierarchy: &str| Path::new("/sys/fs/cgroup").join(hierarchy).join(&name);
        let one = Group::First {
            memory: place("memory"),
            pids: place("pids"),
        };
        let made = |group: &Group| {
            let made = directories(group).iter().try_for_each(fs::create_dir);
            if let Err(error) = &made {
                println!("skipped: {group:?}: {error}");
            }
            made.is_ok()
        };
        let groups = [one, Group::Second(place("unified"))];
        groups.into_iter().filter(made).map(Self).collect()
    }

    fn directories(&self) -> Vec<PathBuf> {
        directories(&self.0)
    }

    fn version(&self) -> u8 {
        match self.0 {
            Group::First { .. } => 1,
            Group::Second(_) => 2,
        }
    }

    /// The groups beneath, and the processes in them.
    fn leaves(&self) -> Vec<(PathBuf, usize)> {
        let directories = self.directories().into_iter();
        let entries = directories.flat_map(|directory| fs::read_dir(directory).unwrap());
        let leaves = entries
            .map(|it| it.unwrap().path())
            .filter(|it| it.is_dir());
        leaves
            .map(|leaf| {
                let members = fs::read_to_string(leaf.join("cgroup.procs"));
                (leaf, members.unwrap_or_default().lines().count())
            })
            .collect()
    }

    fn runner(&self) -> Runner {
        let runner = Runner::with_helper(&SandboxConfig::default(), helper()).unwrap();
        runner.grouped_in(self.0.clone()).unwrap()
    }
}

fn directories(group: &Group) -> Vec<PathBuf> {
    match group {
        Group::First { memory, pids } => vec![memory.clone(), pids.clone()],
        Group::Second(directory) => vec![directory.clone()],
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self
            .leaves()
            .iter()
            .any(|(leaf, _)| fs::remove_dir(leaf).is_err())
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        for directory in self.directories() {
            fs::remove_dir(directory).unwrap();
        }
    }
}

#[tokio::test]
async fn every_process_of_a_command_is_in_a_group_that_goes_with_it() {
    for top in Top::each("whole") {
        let runner = top.runner();
        for tier in Tier::ALL {
            holds_every_process(&runner, &top, tier).await;
        }
        // The waiting helper's; the others went with their commands.
        let of_one = top.directories().len();
        assert!(
            until(|| top.leaves().len() <= of_one).await,
            "{:?}",
            top.leaves()
        );
        drop(runner);
        assert!(
            until(|| top.leaves().is_empty()).await,
            "{:?}",
            top.leaves()
        );
    }
}

async fn holds_every_process(runner: &Runner, top: &Top, tier: Tier) {
    let mark = mark();
    let script = format!("setsid sleep {mark} & sleep {mark} & sleep {mark} & wait");
    let spec = in_tier(tier, sh(&script));
    let running = tokio::spawn({
        let runner = runner.clone();
        async move { runner.run(spec, drop).await }
    });
    let helpers = if tier == Tier::Strict { 2 } else { 1 };
    // The shell and three sleeps beside the helper; another helper may be waiting.
    let is_whole = || {
        let leaves = top.leaves();
        let whole = leaves.iter().filter(|(_, members)| *members == helpers + 4);
        whole.count() == top.directories().len()
    };
    assert!(until(is_whole).await, "{tier}: {:?}", top.leaves());
    running.abort();
    assert!(until(|| alive_with(&mark).is_empty()).await, "{tier}");

    let outcome = runner.run(in_tier(tier, sh("cat /proc/self/cgroup")), drop);
    let outcome = outcome.await.unwrap();
    assert_eq!(outcome.status, Status::Exited(0), "{}", printed(&outcome));
    let layers = &outcome.confinement.layers;
    let version = top.version();
    assert!(layers.contains(&Layer::Cgroup { version }), "{layers:?}");
    // Its own namespace shows the leaf as the root of all groups.
    if tier == Tier::Strict {
        let printed = printed(&outcome);
        let roots: &[&str] = match version {
            1 => &[":memory:/\n", ":pids:/\n"],
            _ => &["0::/\n"],
        };
        assert!(roots.iter().all(|root| printed.contains(root)), "{printed}");
    }
}

/// What only a group can: the memory and the processes of all together. Only the first version has its
/// controllers here, if any.
#[tokio::test]
async fn a_group_bounds_memory_and_processes_of_all_together() {
    let Some(top) = Top::each("bounds")
        .into_iter()
        .find(|top| top.version() == 1)
    else {
        return;
    };
    let runner = top.runner();
    for tier in Tier::ALL {
        let limited = |script: &str| {
            let mut spec = in_tier(tier, sh(script));
            spec.boundary.limits.total_memory_bytes = 64 << 20;
            spec.boundary.limits.processes = 12;
            spec
        };
        // Each keeps 40 MB, which is no line yet, until its input ends.
        let keeps = "(head -c 40000000 /dev/zero; sleep 1) | tail | wc -c";
        let alone = runner.run(limited(keeps), drop).await.unwrap();
        assert_eq!(printed(&alone).trim(), "40000000", "{tier}");
        let both = format!("({keeps}) & ({keeps}) & wait");
        let both = runner.run(limited(&both), drop).await.unwrap();
        assert!(
            !printed(&both).contains("40000000\n40000000"),
            "{tier}: {}",
            printed(&both)
        );

        let many = "for i in $(seq 40); do sleep 2 & done; wait";
        let many = runner.run(limited(many), drop).await.unwrap();
        assert!(
            printed(&many).contains("Cannot fork") || many.status != Status::Exited(0),
            "{tier}: {:?} {}",
            many.status,
            printed(&many)
        );
    }
}

#[tokio::test]
async fn a_command_without_a_group_does_not_claim_one() {
    let runner = Runner::with_helper(&SandboxConfig::default(), helper()).unwrap();
    let lacks = runner.lacks_cgroups();
    let outcome = runner.run(sh("true"), drop).await.unwrap();
    let layers = &outcome.confinement.layers;
    let claims = layers
        .iter()
        .any(|layer| matches!(layer, Layer::Cgroup { .. }));
    assert_eq!(claims, lacks.is_none(), "{lacks:?} {layers:?}");
}
