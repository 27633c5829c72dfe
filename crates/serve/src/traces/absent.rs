//! A build that sends no traces.

use mcp_toolcall::TraceIds;
use tracing::Span;
use tracing_subscriber::layer::Identity;

use super::context::Remote;
use crate::ServeConfig;

/// What waits to be delivered: nothing, in this build.
#[derive(Debug)]
#[must_use]
pub struct Traces(());

impl Traces {
    /// Serves.
    pub async fn delivered_while<T>(self, serving: impl Future<Output = T>) -> T {
        serving.await
    }
}

pub(crate) fn start(_: crate::Identity, _: &ServeConfig) -> (Option<Identity>, Traces) {
    (None, Traces(()))
}

pub(super) fn adopt(_: &Span, _: Remote, _: Option<&str>) {}

pub(super) fn ids(_: &Span) -> Option<TraceIds> {
    None
}
