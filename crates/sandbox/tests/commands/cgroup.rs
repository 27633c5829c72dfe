//! Control groups in the kernel's own file system. Only root may write it on most machines, and
//! this is about resources, not about permissions: it is skipped, visibly, without.
#![expect(clippy::unwrap_used, reason = "a test that cannot start has failed")]
#![expect(clippy::print_stdout, reason = "says what was skipped or measured")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mcp_sandbox::{Layer, Runner, SandboxConfig, Status, Tier};

use crate::support::{alive_with, helper, in_tier, mark, printed, sh, until};

/// A group of the test's own, removed on drop.
struct Top(PathBuf);

impl Top {
    fn make(name: &str) -> Option<Self> {
        let name = format!("mcp-tests-{name}-{}", std::process::id());
        let top = Path::new("/sys/fs/cgroup/unified").join(name);
        let made = fs::create_dir(&top).map(|()| Self(top));
        if made.is_err() {
            println!("skipped: /sys/fs/cgroup/unified cannot be written");
        }
        made.ok()
    }

    /// The groups beneath, and the processes in them.
    fn leaves(&self) -> Vec<(PathBuf, usize)> {
        let entries = fs::read_dir(&self.0).unwrap().map(|it| it.unwrap().path());
        let leaves = entries.filter(|path| path.is_dir());
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
        fs::remove_dir(&self.0).unwrap();
    }
}

#[tokio::test]
async fn every_process_of_a_command_is_in_a_group_that_goes_with_it() {
    let Some(top) = Top::make("whole") else {
        return;
    };
    let runner = top.runner();
    for tier in Tier::ALL {
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
            top.leaves()
                .iter()
                .any(|(_, members)| *members == helpers + 4)
        };
        assert!(until(is_whole).await, "{tier}: {:?}", top.leaves());
        running.abort();
        assert!(until(|| alive_with(&mark).is_empty()).await, "{tier}");

        let outcome = runner.run(in_tier(tier, sh("cat /proc/self/cgroup")), drop);
        let outcome = outcome.await.unwrap();
        assert_eq!(outcome.status, Status::Exited(0), "{}", printed(&outcome));
        let layers = &outcome.confinement.layers;
        assert!(layers.contains(&Layer::Cgroup { version: 2 }), "{layers:?}");
        // Its own namespace shows the leaf as the root of all groups.
        if tier == Tier::Strict {
            assert!(
                printed(&outcome).contains("0::/\n"),
                "{}",
                printed(&outcome)
            );
        }
    }
    // The waiting helper's; the others went with their commands.
    assert!(
        until(|| top.leaves().len() <= 1).await,
        "{:?}",
        top.leaves()
    );
}

#[tokio::test]
async fn a_command_without_a_group_does_not_claim_one() {
    let runner = Runner::with_helper(&SandboxConfig::default(), helper()).unwrap();
    let lacks = runner.lacks_cgroups();
    let outcome = runner.run(sh("true"), drop).await.unwrap();
    let layers = &outcome.confinement.layers;
    let claims = layers.contains(&Layer::Cgroup { version: 2 });
    assert_eq!(claims, lacks.is_none(), "{lacks:?} {layers:?}");
}
