//! The collector: OTLP over HTTP, in protobuf (opentelemetry.io/docs/specs/otlp, version 1.10).

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST, HeaderValue};
use axum::http::{Request, Uri};
use mcp_metrics::SpanFate;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;

use crate::{client, with_causes};

/// The port of `http://` when a URL names none.
const HTTP_PORT: u16 = 80;

/// Takes spans. What it does not take is counted and lost: a trace is worth less than the memory that a
/// second attempt would need.
pub(super) struct Collector {
    url: Uri,
    resource: ResourceAttributesWithSchema,
    timeout: Duration,
    /// Whether the last spans were lost.
    fails: bool,
}

impl Collector {
    pub(super) fn new(url: &Uri, resource: &Resource, timeout: Duration) -> Self {
        Self {
            url: url.clone(),
            resource: resource.into(),
            timeout,
            fails: false,
        }
    }

    /// Sends spans, and says in the log when that begins to fail and when it works again.
    pub(super) async fn deliver(&mut self, spans: Vec<SpanData>) {
        let count = spans.len();
        let request = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(spans, &self.resource),
        };
        let posted = tokio::time::timeout(self.timeout, self.post(request.encode_to_vec())).await;
        let posted = posted.unwrap_or_else(|_| Err(format!("no answer in {:?}", self.timeout)));
        let url = &self.url;
        match &posted {
            Err(reason) if !self.fails => {
                tracing::warn!(reason, collector = %url, "the collector takes no spans: they are lost");
            }
            Ok(()) if self.fails => {
                tracing::info!(collector = %url, "the collector takes spans again");
            }
            Ok(()) | Err(_) => {}
        }
        self.fails = posted.is_err();
        let fate = if self.fails {
            SpanFate::Failed
        } else {
            SpanFate::Delivered
        };
        mcp_metrics::spans(fate, count);
    }

    async fn post(&self, spans: Vec<u8>) -> Result<(), String> {
        let host = self.url.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = self.url.port_u16().unwrap_or(HTTP_PORT);
        let stream = client::connect(host, port).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let authority = self
            .url
            .authority()
            .map_or("", |authority| authority.as_str());
        let request = Request::post(self.url.path())
            .header(HOST, authority)
            .header(
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-protobuf"),
            )
            .body(Body::from(spans))
            .map_err(|error| error.to_string())?;
        let reply = client::exchange(stream, request).await;
        let reply = reply.map_err(|error| with_causes(&error))?;
        let status = reply.response.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("it answers {status}"))
        }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
