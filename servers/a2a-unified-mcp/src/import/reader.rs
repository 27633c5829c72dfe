//! A file of any origin as items, a group at a time.

use std::path::Path;

use super::mcp_memory_service::McpMemoryService;
use super::original::Original;
use super::reference::Reference;
use super::{ImportError, Origin};
use crate::store::{Record, Store, StoreConfig};

/// What was read at one place of the file.
#[derive(Debug)]
pub(super) struct Item {
    /// Where, and what it is called.
    pub(super) place: String,
    /// The entry, or why there is none.
    pub(super) record: Result<Record, String>,
}

/// A file that is being read.
pub(super) enum Reader {
    Original(Box<Original>),
    Reference(Reference),
    McpMemoryService(McpMemoryService),
}

impl Reader {
    pub(super) async fn open(
        (origin, file): (Origin, &Path),
        (store, config): (&Store, &StoreConfig),
    ) -> Result<Self, ImportError> {
        Ok(match origin {
            Origin::Original => {
                let beside = store.path().parent().unwrap_or(Path::new("."));
                Self::Original(Box::new(Original::open(file, beside, config).await?))
            }
            Origin::Reference => Self::Reference(Reference::open(file)?),
            Origin::McpMemoryService => {
                Self::McpMemoryService(McpMemoryService::open(file, config).await?)
            }
        })
    }

    /// The next items; none at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<Item>, ImportError> {
        match self {
            Self::Original(original) => original.next().await,
            Self::Reference(reference) => reference.next(),
            Self::McpMemoryService(service) => service.next().await,
        }
    }

    /// What is left out on purpose, a line each.
    pub(super) fn left_out(&self) -> &[String] {
        match self {
            Self::Original(_) | Self::Reference(_) => &[],
            Self::McpMemoryService(service) => service.left_out(),
        }
    }

    pub(super) async fn close(self) {
        if let Self::Original(original) = self {
            original.close().await;
        }
    }
}
