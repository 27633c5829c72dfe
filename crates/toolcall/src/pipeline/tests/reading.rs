//! What the pipeline promises of readings.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use mcp_audit::{Audit, AuditConfig};
use mcp_security::redaction::Secret;

use super::*;
use crate::{
    Changes, Completable, Completing, Completions, Content, Document, LibrarySpec, Message,
    PromptArgument, PromptReply, PromptSpec, Resource, ResourcePage, Speaker, TemplateSpec,
};

/// Reads texts by what they should do: `test:panic`, `test:hang`, `test:secret`, `test:large`.
struct Texts;

const ARGUMENT: PromptArgument = PromptArgument {
    name: "topic",
    title: "Topic",
    description: "What it is about.",
    required: true,
};

impl Library for Texts {
    const SPEC: LibrarySpec = LibrarySpec {
        templates: &[TemplateSpec {
            template: "test:{name}",
            name: "text",
            title: "Text",
            description: "A text.",
            mime_type: Some("text/plain"),
        }],
        prompts: &[PromptSpec {
            name: "tell",
            title: "Tell",
            description: "Tells.",
            arguments: &[
                ARGUMENT,
                PromptArgument {
                    name: "tone",
                    required: false,
                    ..ARGUMENT
                },
            ],
        }],
        deadline: Duration::from_secs(3),
    };

    async fn list(&self, cursor: Option<&str>, _: &Call) -> Result<ResourcePage, ToolError> {
        if cursor.is_some_and(|cursor| cursor != "second") {
            return Err(ToolError::invalid("cursor", "not one of mine"));
        }
        let resource = Resource {
            uri: "test:secret".to_owned(),
            name: "known-secret".to_owned(),
            title: None,
            description: None,
            mime_type: "text/plain",
            bytes: Some(12),
            modified: None,
        };
        Ok(ResourcePage {
            resources: vec![resource],
            next: cursor.is_none().then(|| "second".to_owned()),
        })
    }

    async fn read(&self, uri: &str, _: &Call) -> Result<Vec<Document>, ToolError> {
        let text = match uri {
            "test:panic" => panic!("as asked"),
            "test:hang" => std::future::pending().await,
            "test:secret" => "\u{1b}[31mknown-secret".to_owned(),
            "test:large" => "x".repeat(2 << 20),
            _ => return Err(ToolError::new(Code::NotFound, "nothing")),
        };
        Ok(vec![Document {
            uri: uri.to_owned(),
            mime_type: "text/plain",
            text,
        }])
    }

    async fn complete(&self, asked: &Completing, _: &Call) -> Result<Completions, ToolError> {
        let values = (0..250).map(|number| format!("{}{number}", asked.prefix));
        Ok(Completions {
            values: values.collect(),
            total: Some(250),
            has_more: false,
        })
    }

    async fn prompt(
        &self,
        _: &str,
        arguments: &BTreeMap<String, String>,
        _: &Call,
    ) -> Result<PromptReply, ToolError> {
        Ok(PromptReply {
            description: "Tells.".to_owned(),
            messages: vec![Message {
                speaker: Speaker::User,
                content: Content::Text(format!("Tell of {}: known-secret", arguments["topic"])),
            }],
        })
    }

    fn canonical(&self, uri: &str) -> Option<String> {
        uri.starts_with("test:").then(|| uri.to_owned())
    }

    async fn changes(&self) -> Result<Changes, ToolError> {
        Ok(futures_util::stream::pending().boxed())
    }
}

fn with_texts() -> Pipeline {
    let redactor = Redactor::build([Secret {
        name: "KNOWN".to_owned(),
        value: "known-secret".into(),
    }]);
    Pipeline::new(
        PipelineConfig::default(),
        policy("one", &RateConfig::default()),
        reply_cache(&CacheConfig::default()),
        Sanitiser::new(redactor, 1 << 20),
    )
    .with_library(Texts)
}

async fn read(pipeline: &Pipeline, uri: &str) -> Result<String, Code> {
    let library = pipeline.library().unwrap();
    let read = library.read(uri, &someone()).await;
    let mut documents = read.map_err(|error| error.code())?.into_inner();
    Ok(documents.remove(0).text)
}

#[tokio::test]
async fn a_server_without_a_library_has_none() {
    assert!(plain().library().is_none());
}

#[tokio::test]
async fn what_leaves_is_clean_and_bounded() {
    let pipeline = with_texts();
    let text = read(&pipeline, "test:secret").await.unwrap();
    assert_eq!(text, "\u{241b}[31m[redacted:KNOWN]");
    assert_eq!(read(&pipeline, "test:large").await, Err(Code::TooLarge));
    let library = pipeline.library().unwrap();
    let page = library.list(None, &someone()).await.unwrap().into_inner();
    assert_eq!(page.resources[0].name, "[redacted:KNOWN]");
    let arguments = Map::from_iter([("topic".to_owned(), json!("it"))]);
    let told = library.prompt("tell", arguments, &someone()).await;
    let Content::Text(text) = &told.unwrap().into_inner().messages[0].content else {
        panic!("a text")
    };
    assert_eq!(text, "Tell of it: [redacted:KNOWN]");
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_panics_hangs_or_is_cancelled_is_answered() {
    let pipeline = with_texts();
    assert_eq!(read(&pipeline, "test:panic").await, Err(Code::Internal));
    assert_eq!(read(&pipeline, "test:hang").await, Err(Code::TimedOut));
    assert_eq!(read(&pipeline, "test:nothing").await, Err(Code::NotFound));
    let call = someone();
    call.cancelled.cancel();
    let cancelled = pipeline.library().unwrap().read("test:hang", &call).await;
    assert_eq!(cancelled.unwrap_err().code(), Code::Cancelled);
}

#[tokio::test]
async fn readings_and_calls_share_one_rate() {
    let rate = RateConfig {
        requests: std::num::NonZeroU32::MIN,
        ..RateConfig::default()
    };
    let pipeline = pipeline(PipelineConfig::default(), &rate).with_library(Texts);
    ask(&pipeline, "counting", json!({}), &someone()).await;
    assert_eq!(read(&pipeline, "test:secret").await, Err(Code::RateLimited));
}

#[tokio::test]
async fn a_hundred_completions_leave_and_only_of_what_there_is() {
    let pipeline = with_texts();
    let library = pipeline.library().unwrap();
    let asked = |of, argument: &str| Completing {
        of,
        argument: argument.to_owned(),
        prefix: "a".to_owned(),
        given: BTreeMap::new(),
    };
    let template = |text: &str| Completable::Template(text.to_owned());
    let completed = library
        .complete(&asked(template("test:{name}"), "name"), &someone())
        .await;
    let completed = completed.unwrap().into_inner();
    assert_eq!((completed.values.len(), completed.has_more), (100, true));
    assert_eq!(completed.values[99], "a99");
    let prompt = |name: &str| Completable::Prompt(name.to_owned());
    for (of, argument) in [
        (template("test:{other}"), "name"),
        (template("test:{name}"), "other"),
        (prompt("tell"), "other"),
        (prompt("sing"), "topic"),
    ] {
        let refused = library.complete(&asked(of, argument), &someone()).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_prompt_gets_the_texts_that_it_names() {
    let pipeline = with_texts();
    let library = pipeline.library().unwrap();
    for (name, arguments, part) in [
        ("tell", json!({}), "`topic`: the prompt needs it"),
        ("tell", json!({ "topic": 1 }), "`topic`: must be a text"),
        ("tell", json!({ "topic": "a", "x": "b" }), "`x`: "),
        ("sing", json!({}), "no such prompt"),
    ] {
        let Value::Object(arguments) = arguments else {
            unreachable!()
        };
        let error = library.prompt(name, arguments, &someone()).await;
        let error = error.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_reading_leaves_a_line_in_the_audit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let audit = Audit::build(&AuditConfig::default(), "test", Some(path.clone()));
    let writing = audit.start("1");
    let pipeline = with_texts().recorded_by(audit);
    read(&pipeline, "test:secret").await.unwrap();
    writing.stop().await;
    let lines = mcp_audit::last(&path, 10).unwrap();
    let line = lines.iter().find(|line| line.contains("resources/read"));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    assert_eq!(line["arguments"], json!({ "uri": "test:secret" }));
    assert_eq!(line["outcome"], "succeeded");
}
