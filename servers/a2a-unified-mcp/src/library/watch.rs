//! Telling what changes, whichever process changes it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::unfold;
use mcp_toolcall::{Changed, Changes, ToolError};

use super::uri_of;
use crate::store::{self, ChangeToken, Store, StoreError};
use crate::tools::entries::refused;

/// How often the file is asked whether it changed. Subscribers hear of a change within a second.
const EVERY: Duration = Duration::from_millis(400);

/// Changes that are told of at once.
const AT_ONCE: NonZeroU32 = const { NonZeroU32::new(500).unwrap() };

/// What changes in the store after this returned.
pub(super) async fn changes(store: Arc<Store>) -> Result<Changes, ToolError> {
    let token = store.token().await.map_err(refused)?;
    let next = |(store, token): (Arc<Store>, ChangeToken)| async move {
        let (changed, token) = next(&store, token).await?;
        Some((changed, (store, token)))
    };
    Ok(unfold((store, token), next).boxed())
}

/// Waits for the next changes; `None` when the store is closed.
async fn next(store: &Store, since: ChangeToken) -> Option<(Changed, ChangeToken)> {
    let mut failing = false;
    loop {
        match look(store, since).await {
            Ok(Some(found)) => return Some(found),
            Ok(None) => failing = false,
            Err(StoreError::Closed) => return None,
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "the store cannot be watched now");
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn look(
    store: &Store,
    since: ChangeToken,
) -> Result<Option<(Changed, ChangeToken)>, StoreError> {
    if store.token().await? == since {
        return Ok(None);
    }
    Ok(match store.changes(since, AT_ONCE).await? {
        store::Changes::Since(changes, reached) => {
            let piece = Changed {
                list: store.came_or_went(&changes).await?,
                uris: changes
                    .iter()
                    .map(|change| uri_of(&change.identity))
                    .collect(),
                anything: false,
            };
            Some((piece, reached))
        }
        store::Changes::Lost(reached) => Some((Changed::anything(), reached)),
    })
}
