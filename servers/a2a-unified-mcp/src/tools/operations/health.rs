//! What is looked at to tell whether the server and its file are well.

use std::sync::Arc;

use mcp_serve::Standing;
use mcp_toolcall::operations::{Check, Checks};

use crate::embeddings::{Availability, Embedder, Unavailable};
use crate::store::Store;
use crate::upkeep::{Finding, Soundness};

/// Whether the server and its file are well.
#[derive(Debug)]
pub struct MemoryChecks {
    /// Where entries are kept.
    pub store: Arc<Store>,
    /// What makes vectors of entries.
    pub embedder: Embedder,
    /// What is known of the file.
    pub(crate) soundness: Soundness,
    /// Which policy is in force.
    pub policy: Arc<str>,
    /// How the configuration on disk stands to it.
    pub standing: Standing,
}

impl Checks for MemoryChecks {
    const SUMMARY: &'static str = "Whether the server is well: whether its file can be read and is \
        sound, whether entries can be searched by meaning, which version of the policy is in force, and \
        outgoing HTTP. `degraded` names what to look at; calls are served either way.";

    async fn look(&self) -> Vec<Check> {
        vec![
            self.file().await,
            self.soundness(),
            self.meaning(),
            self.standing.check(&self.policy),
        ]
    }
}

impl MemoryChecks {
    async fn file(&self) -> Check {
        let path = self.store.path().display();
        // What certainly reads the file.
        match self.store.next_expiry().await {
            Ok(_) => Check::new("store", true, format!("entries are kept in {path}")),
            Err(error) => Check::new("store", false, format!("{path}: {error}")),
        }
    }

    /// That there is no model is the operator's choice; that one cannot be used is not.
    fn meaning(&self) -> Check {
        let (well, detail) = match self.embedder.availability() {
            Availability::Ready => (true, "entries are searched by meaning too".to_owned()),
            Availability::Not(reason) => {
                let chosen = matches!(reason, Unavailable::Off | Unavailable::NoModel { .. });
                (
                    chosen,
                    format!("entries are searched by words only: {reason}"),
                )
            }
        };
        Check::new("meaning", well, detail)
    }

    fn soundness(&self) -> Check {
        let (well, detail) = match (self.soundness.finding(), self.store.opening().log_left) {
            (Some(Finding::Sound), _) => (true, "looked over after an unclean stop: sound".into()),
            (Some(Finding::Damaged(reason)), _) => {
                (false, format!("the file is damaged: {reason}"))
            }
            (Some(Finding::Unknown(reason)), _) => (false, format!("not looked over: {reason}")),
            (None, true) => (true, "being looked over after an unclean stop".into()),
            (None, false) => (true, "was closed properly".into()),
        };
        Check::new("soundness", well, detail)
    }
}
