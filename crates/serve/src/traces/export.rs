//! Spans on their way to a collector.
//!
//! The SDK makes them and decides which are recorded. They are gathered by a task of ours and not by the
//! SDK's batch processor, which has a thread that wakes every few seconds, does not tell how many spans it
//! lost, and is configured by variables of its own.

mod collector;
mod queue;

use std::time::Duration;

use mcp_toolcall::TraceIds;
use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState,
    TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    Sampler, SamplingDecision, SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample,
    SpanLimits,
};
use tokio_util::sync::CancellationToken;
use tracing::Span;
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::Registry;

use self::collector::Collector;
use self::queue::{Queue, Waiting};
use super::context::Remote;
use crate::{Identity, ServeConfig};

/// What the last spans may take at most. The grace is for calls, and may be long: by then these have had
/// theirs, and whoever stops the server waits no second one for a collector that is gone.
const LAST_SPANS: Duration = Duration::from_secs(1);

/// Spans that wait to be delivered, when a collector is configured.
#[derive(Debug)]
#[must_use]
pub struct Traces(Option<Delivery>);

#[derive(Debug)]
struct Delivery {
    waiting: Waiting,
    collector: Collector,
    /// How long it may go on when there is nothing more to serve.
    grace: Duration,
}

impl Traces {
    /// Serves, and delivers spans meanwhile. Those that are left are delivered after it, for at most
    /// `transport.stop_grace`, and never longer than a second.
    pub async fn delivered_while<T>(self, serving: impl Future<Output = T>) -> T {
        let Some(delivery) = self.0 else {
            return serving.await;
        };
        let ending = CancellationToken::new();
        let delivering = delivery.waiting.deliver(delivery.collector, ending.clone());
        let delivering = crate::run::spawn(delivering);
        let outcome = serving.await;
        ending.cancel();
        if tokio::time::timeout(delivery.grace, delivering)
            .await
            .is_err()
        {
            tracing::warn!("the collector did not take the last spans in time");
        }
        outcome
    }
}

/// The layer that turns spans of `tracing` into those of a trace, when a collector is configured.
pub(crate) fn start(
    identity: Identity,
    config: &ServeConfig,
) -> (Option<OpenTelemetryLayer<Registry, SdkTracer>>, Traces) {
    let tracing = &config.tracing;
    let Some(endpoint) = &tracing.endpoint else {
        return (None, Traces(None));
    };
    let resource = describe(identity);
    let collector = Collector::new(endpoint.as_uri(), &resource, tracing.timeout);
    let (queue, waiting) = Queue::new(tracing);
    // Whatever could be set with variables of the SDK's is set here.
    let ratio = Sampler::TraceIdRatioBased(tracing.sample_ratio.into());
    let provider = SdkTracerProvider::builder()
        .with_span_processor(queue)
        .with_sampler(OfRequests(Sampler::ParentBased(Box::new(ratio))))
        .with_span_limits(SpanLimits::default())
        .with_resource(resource)
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_tracer(provider.tracer(identity.name));
    let delivery = Delivery {
        waiting,
        collector,
        grace: config.transport.stop_grace.min(LAST_SPANS),
    };
    (Some(layer), Traces(Some(delivery)))
}

/// What the collector is told of the process. Its own number tells replicas apart.
fn describe(identity: Identity) -> Resource {
    let mut attributes = vec![
        KeyValue::new("service.name", identity.name),
        KeyValue::new("service.version", identity.version),
    ];
    let mut instance = [0; 16];
    if getrandom::fill(&mut instance).is_ok() {
        let instance = u128::from_ne_bytes(instance);
        attributes.push(KeyValue::new(
            "service.instance.id",
            format!("{instance:032x}"),
        ));
    }
    Resource::builder_empty()
        .with_attributes(attributes)
        .build()
}

/// Makes a request part of its caller's trace.
pub(super) fn adopt(span: &Span, remote: Remote, state: Option<&str>) {
    let flags = if remote.sampled {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::default()
    };
    let state = state.and_then(|state| state.parse().ok());
    let parent = SpanContext::new(
        TraceId::from_bytes(remote.trace.to_be_bytes()),
        SpanId::from_bytes(remote.span.to_be_bytes()),
        flags,
        true,
        state.unwrap_or_default(),
    );
    if let Err(error) = span.set_parent(Context::new().with_remote_span_context(parent)) {
        tracing::debug!(%error, "a request is not part of its caller's trace");
    }
}

/// What a span is called in its trace.
pub(super) fn ids(span: &Span) -> Option<TraceIds> {
    let context = span.context();
    let own = context.span();
    let own = own.span_context();
    own.is_valid().then(|| TraceIds {
        trace: u128::from_be_bytes(own.trace_id().to_bytes()),
        span: u64::from_be_bytes(own.span_id().to_bytes()),
    })
}

/// Samples requests and what they do; work that nobody asked for begins no trace.
#[derive(Debug, Clone)]
struct OfRequests(Sampler);

impl ShouldSample for OfRequests {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let is_part = parent.is_some_and(|parent| parent.span().span_context().is_valid());
        if is_part || *kind == SpanKind::Server {
            let decide = &self.0;
            return decide.should_sample(parent, trace, name, kind, attributes, links);
        }
        SamplingResult {
            decision: SamplingDecision::Drop,
            attributes: Vec::new(),
            trace_state: TraceState::default(),
        }
    }
}
