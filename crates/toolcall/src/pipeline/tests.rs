//! The pipeline's promises, with tools made for the purpose.

mod reading;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use serde_json::json;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::{Effects, Tool, ToolSpec, Topic};

const TOPIC: Topic = Topic("test");

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    #[serde(default)]
    act: Act,
}

#[derive(Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Act {
    #[default]
    Count,
    Fail,
    Panic,
    Hang,
    Deny,
}

#[derive(Serialize, JsonSchema)]
struct Reply {
    runs: u32,
}

#[derive(Default)]
struct Counting {
    runs: Arc<AtomicU32>,
}

impl Tool for Counting {
    const SPEC: ToolSpec = ToolSpec {
        name: "counting",
        title: "Counting",
        summary: "Counts its runs.",
        effects: Effects::READ,
        caching: Caching::Reads {
            topic: TOPIC,
            ttl: Duration::from_mins(1),
        },
        deadline: Duration::from_secs(5),
    };
    type Args = Args;
    type Plan = Act;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Act, ToolError> {
        match args.act {
            Act::Deny => Err(ToolError::new(Code::PathDenied, "not here")),
            act @ (Act::Count | Act::Fail | Act::Panic | Act::Hang) => Ok(act),
        }
    }

    async fn run(&self, act: Act, _: &Call) -> Result<Reply, ToolError> {
        let runs = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        match act {
            Act::Count => Ok(Reply { runs }),
            Act::Fail | Act::Deny => Err(ToolError::new(Code::NotFound, "nothing")),
            Act::Panic => panic!("as asked"),
            Act::Hang => std::future::pending().await,
        }
    }
}

struct Touching;

impl Tool for Touching {
    const SPEC: ToolSpec = ToolSpec {
        name: "touching",
        effects: Effects::DESTRUCTIVE,
        caching: Caching::Writes { topic: TOPIC },
        ..Counting::SPEC
    };
    type Args = Args;
    type Plan = ();
    type Reply = Reply;

    async fn vet(&self, _: Args, _: &Call) -> Result<(), ToolError> {
        Ok(())
    }

    async fn run(&self, (): (), _: &Call) -> Result<Reply, ToolError> {
        Ok(Reply { runs: 0 })
    }
}

fn policy(version: &str, rate: &RateConfig) -> Policy {
    Policy {
        version: version.into(),
        catalog: Catalog::default().with(Counting::default()).with(Touching),
        limiter: Arc::new(Limiter::build(rate)),
    }
}

fn pipeline(config: PipelineConfig, rate: &RateConfig) -> Pipeline {
    let replies = reply_cache(&CacheConfig::default());
    let sanitiser = Sanitiser::new(Redactor::default(), 1 << 20);
    Pipeline::new(config, policy("one", rate), replies, sanitiser)
}

fn plain() -> Pipeline {
    pipeline(PipelineConfig::default(), &RateConfig::default())
}

async fn ask(pipeline: &Pipeline, name: &str, arguments: Value, call: &Call) -> Value {
    let Value::Object(arguments) = arguments else {
        panic!("arguments are an object")
    };
    match pipeline.call(name, arguments, call).await.unwrap() {
        Ok(reply) => reply.structured().clone(),
        Err(error) => json!(error.code().as_str()),
    }
}

fn someone() -> Call {
    Call::unwatched(Caller::new("someone"))
}

#[tokio::test]
async fn a_call_keeps_to_its_policy_and_the_next_one_takes_the_new() {
    let pipeline = plain();
    let call = someone();
    ask(&pipeline, "counting", json!({}), &call).await;
    ask(&pipeline, "counting", json!({ "act": "fail" }), &call).await;
    let hanging = ask(&pipeline, "counting", json!({ "act": "hang" }), &call);
    let replacing = async {
        pipeline.replace(policy("two", &RateConfig::default()));
        assert_eq!(&*pipeline.policy().version, "two");
        let fresh = ask(&pipeline, "counting", json!({}), &someone()).await;
        assert_eq!(
            fresh,
            json!({ "runs": 1 }),
            "a reply of the policy before was served"
        );
        call.cancelled.cancel();
    };
    let (hung, ()) = tokio::join!(hanging, replacing);
    assert_eq!(hung, json!("cancelled"));
}

#[tokio::test]
async fn equal_reads_of_one_caller_share_a_reply_until_a_write() {
    let pipeline = plain();
    let call = someone();
    assert_eq!(
        ask(&pipeline, "counting", json!({}), &call).await,
        json!({ "runs": 1 })
    );
    assert_eq!(
        ask(&pipeline, "counting", json!({}), &call).await,
        json!({ "runs": 1 })
    );
    let other = Call::unwatched(Caller::new("other"));
    assert_eq!(
        ask(&pipeline, "counting", json!({}), &other).await,
        json!({ "runs": 2 })
    );
    ask(&pipeline, "touching", json!({}), &call).await;
    assert_eq!(
        ask(&pipeline, "counting", json!({}), &call).await,
        json!({ "runs": 3 })
    );
}

#[tokio::test]
async fn a_refusal_comes_before_the_cache_and_failures_are_not_kept() {
    let pipeline = plain();
    let call = someone();
    for _ in 0..2 {
        assert_eq!(
            ask(&pipeline, "counting", json!({ "act": "deny" }), &call).await,
            "path_denied"
        );
        assert_eq!(
            ask(&pipeline, "counting", json!({ "act": "fail" }), &call).await,
            "not_found"
        );
    }
    assert_eq!(
        ask(&pipeline, "counting", json!({}), &call).await,
        json!({ "runs": 3 })
    );
}

#[test]
fn errors_are_logged_under_their_call_whatever_the_level() {
    let log = tracing_subscriber::registry().with(LevelFilter::ERROR);
    tracing::subscriber::with_default(log, || {
        assert!(!span("counting", &someone()).is_disabled());
    });
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_next_call_runs() {
    let pipeline = plain();
    let call = someone();
    assert_eq!(
        ask(&pipeline, "counting", json!({ "act": "panic" }), &call).await,
        "internal"
    );
    assert_eq!(
        ask(&pipeline, "counting", json!({}), &call).await,
        json!({ "runs": 2 })
    );
}

#[tokio::test(start_paused = true)]
async fn a_hanging_call_meets_its_deadline() {
    let started = tokio::time::Instant::now();
    assert_eq!(
        ask(&plain(), "counting", json!({ "act": "hang" }), &someone()).await,
        "timed_out"
    );
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn cancelling_ends_the_call() {
    let pipeline = plain();
    let call = someone();
    let cancel = call.cancelled.clone();
    let (answer, ()) = tokio::join!(
        ask(&pipeline, "counting", json!({ "act": "hang" }), &call),
        async move { cancel.cancel() },
    );
    assert_eq!(answer, "cancelled");
}

#[tokio::test]
async fn refuses_what_is_over_the_rate_or_over_the_places() {
    let rate = RateConfig {
        requests: std::num::NonZeroU32::MIN,
        ..RateConfig::default()
    };
    let limited = pipeline(PipelineConfig::default(), &rate);
    let call = someone();
    assert_eq!(
        ask(&limited, "counting", json!({}), &call).await,
        json!({ "runs": 1 })
    );
    assert_eq!(
        ask(&limited, "counting", json!({}), &call).await,
        "rate_limited"
    );

    let full = PipelineConfig {
        max_in_flight: NonZeroUsize::MIN,
        ..PipelineConfig::default()
    };
    let full = pipeline(full, &RateConfig::default());
    let _place = full.slots.try_acquire().unwrap();
    assert_eq!(
        ask(&full, "counting", json!({}), &call).await,
        "unavailable"
    );
}

#[tokio::test]
async fn names_the_field_of_a_bad_argument() {
    let pipeline = plain();
    for (arguments, part) in [
        (json!({ "act": 7 }), "`act`"),
        (json!({ "act": "dance" }), "unknown variant `dance`"),
        (json!({ "color": 1 }), "unknown field `color`"),
    ] {
        let Value::Object(arguments) = arguments else {
            unreachable!()
        };
        let answer = pipeline
            .call("counting", arguments, &someone())
            .await
            .unwrap();
        let error = answer.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(part), "{error}");
    }
}

#[tokio::test]
async fn an_unknown_tool_is_no_tool_error() {
    assert!(
        plain()
            .call("nothing", Map::new(), &someone())
            .await
            .is_err()
    );
}
