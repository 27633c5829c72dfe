//! The operations endpoint: metrics, and whether the server lives and serves.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, middleware};
use mcp_metrics::Recorder;

use crate::hosts;

/// Connections at once; scrapers and probes need few.
pub(crate) const MAX_CONNECTIONS: NonZeroUsize = const { NonZeroUsize::new(32).unwrap() };

/// Prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/metrics`, `/healthz` and `/readyz`. It is bound only once calls are served, so that being
/// reachable is being ready. `names` are those it is served under besides its addresses.
pub(crate) fn routes(recorder: Recorder, names: Vec<String>) -> Router {
    Router::new()
        .route("/metrics", get(move || async move { metrics(&recorder) }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ready\n" }))
        .layer(middleware::from_fn_with_state(
            Arc::from(names),
            hosts::require_known,
        ))
}

fn metrics(recorder: &Recorder) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, METRICS_TYPE)], recorder.render())
}
