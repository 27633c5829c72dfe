//! The operations endpoint: metrics, and whether the server lives and serves.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use mcp_metrics::Recorder;

/// Connections at once; scrapers and probes need few.
pub(crate) const MAX_CONNECTIONS: usize = 32;

/// Prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/metrics`, `/healthz` and `/readyz`. It is bound only once calls are served, so that being
/// reachable is being ready.
pub(crate) fn routes(recorder: Recorder) -> Router {
    Router::new()
        .route("/metrics", get(move || async move { metrics(&recorder) }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ready\n" }))
}

fn metrics(recorder: &Recorder) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, METRICS_TYPE)], recorder.render())
}
