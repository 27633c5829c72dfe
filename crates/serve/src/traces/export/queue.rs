//! Spans that have ended, gathered until they are worth a request. Nothing runs while there are none.

use std::sync::Arc;
use std::time::Duration;

use mcp_metrics::SpanFate;
use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::collector::Collector;
use crate::TracingConfig;

/// Spans in one request.
const BATCH: usize = 512;

/// How the attributes begin that name the host of an outgoing request, and its port.
const HOST: &str = "server.";

/// Where spans go when they end.
#[derive(Debug)]
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    enough: Arc<Notify>,
    hosts: bool,
}

/// Where they wait.
#[derive(Debug)]
pub(super) struct Waiting {
    spans: mpsc::Receiver<SpanData>,
    enough: Arc<Notify>,
    interval: Duration,
}

impl Queue {
    pub(super) fn new(config: &TracingConfig) -> (Self, Waiting) {
        let most = config.max_queue.get();
        let (sender, receiver) = mpsc::channel(most.min(tokio::sync::Semaphore::MAX_PERMITS));
        let enough = Arc::new(Notify::new());
        let queue = Self {
            spans: sender,
            enough: Arc::clone(&enough),
            hosts: config.hosts,
        };
        let waiting = Waiting {
            spans: receiver,
            enough,
            interval: config.interval,
        };
        (queue, waiting)
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, mut span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if !self.hosts {
            span.attributes
                .retain(|held| !held.key.as_str().starts_with(HOST));
        }
        if self.spans.try_send(span).is_err() {
            mcp_metrics::spans(SpanFate::Dropped, 1);
        }
        let waiting = self.spans.max_capacity() - self.spans.capacity();
        if waiting >= BATCH.min(self.spans.max_capacity()) {
            self.enough.notify_one();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Waiting {
    /// Delivers spans until `ending` fires and none is left.
    pub(super) async fn deliver(mut self, mut collector: Collector, ending: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = ending.cancelled(), if !self.spans.is_closed() => {
                    self.spans.close();
                    continue;
                }
                taken = self.spans.recv_many(&mut batch, BATCH) => if taken == 0 {
                    return;
                },
            }
            if batch.len() < BATCH && !self.spans.is_closed() {
                tokio::select! {
                    () = tokio::time::sleep(self.interval) => {}
                    () = self.enough.notified() => {}
                    () = ending.cancelled() => {}
                }
            }
            while batch.len() < BATCH
                && let Ok(span) = self.spans.try_recv()
            {
                batch.push(span);
            }
            collector.deliver(std::mem::take(&mut batch)).await;
        }
    }
}
