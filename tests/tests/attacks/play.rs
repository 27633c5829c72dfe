//! Plays a case: sets the scene, starts the server, takes the steps, looks at the effects.

use std::time::{Duration, Instant};

use mcp_tests::{Answer, Era, Http, HttpAnswer, Memory, Peer, Reply, Setup, Stdio};
use serde_json::{Value, json};

use crate::case::{self, CallStep, Case, HttpStep, LineStep, Step, Transport};
use crate::checks::{self, Before};
use crate::scene::Scene;

/// What came of the steps of a case.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Every answer, as text.
    pub(crate) answers: Vec<String>,
    /// What the server wrote to standard error.
    pub(crate) errors: String,
    pub(crate) memory: Memory,
    /// The time that the steps took together.
    pub(crate) took: Duration,
}

/// A server to attack.
enum Target {
    Stdio(Box<Stdio>),
    Http(Box<Http>),
}

/// Plays `case` to its end. Panics with what is wrong.
pub(crate) fn play(case: &Case) {
    let setup = Setup::unlimited();
    let mut scene = Scene::set(case, &setup.stage);
    let before = Before::look(case, &scene);
    let mut target = Target::start(case, scene.start(case, setup));
    let pid = target.process().pid().to_string();
    scene.words.define("pid.server", &pid);
    let mut answers = Vec::new();
    let started = Instant::now();
    for step in &case.steps {
        answers.push(target.take(step, &scene));
    }
    let took = started.elapsed();
    target.assert_serving();
    let outcome = Outcome {
        answers,
        errors: target.process().errors(),
        memory: target.process().memory(),
        took,
    };
    let faults = checks::faults(case, &mut scene, &before, &outcome);
    assert!(
        faults.is_empty(),
        "{}\nanswers: {:.1000}",
        faults.join("\n"),
        outcome.answers.join("\n")
    );
}

impl Target {
    fn start(case: &Case, setup: Setup) -> Self {
        let era = match case.server.era {
            case::Era::Legacy => Era::Legacy,
            case::Era::Modern => Era::Modern,
        };
        match case.server.transport {
            Transport::Stdio => Self::Stdio(Box::new(setup.stdio(era))),
            Transport::Http => Self::Http(Box::new(setup.http())),
        }
    }

    fn process(&self) -> &mcp_tests::Process {
        match self {
            Self::Stdio(server) => &server.process,
            Self::Http(server) => &server.process,
        }
    }

    /// Takes one step; returns what was answered.
    fn take(&mut self, step: &Step, scene: &Scene) -> String {
        match (self, step) {
            (Self::Stdio(server), Step::Call(step)) => call(&mut **server, step, scene),
            (Self::Http(server), Step::Call(step)) => call(&mut **server, step, scene),
            (Self::Stdio(server), Step::Line(step)) => send_line(server, step, scene),
            (Self::Http(server), Step::Http(step)) => exchange(server, step, scene),
            (Self::Stdio(_), Step::Http(_)) => panic!("an HTTP step needs the HTTP transport"),
            (Self::Http(_), Step::Line(_)) => panic!("a line needs standard input"),
        }
    }

    /// Whatever was done to it, the server answers the next caller.
    fn assert_serving(&mut self) {
        match self {
            Self::Stdio(server) => server.assert_alive(),
            Self::Http(server) => server.assert_alive(),
        }
    }
}

fn call(server: &mut impl Peer, step: &CallStep, scene: &Scene) -> String {
    let arguments = scene.words.put_into(&Value::Object(step.with.clone()));
    let params = json!({ "name": step.call, "arguments": arguments });
    let answer = server.request("tools/call", params);
    judged(&answer, &step.answer, &arguments)
}

fn send_line(server: &mut Stdio, step: &LineStep, scene: &Scene) -> String {
    let mut line = scene.words.put_in(&step.line).into_bytes();
    line.extend(&step.bytes);
    line.push(b'\n');
    server.write(&line);
    let Some(id) = step.id else {
        return String::new();
    };
    judged(&server.answer(id), &step.answer, &json!(step.line))
}

fn exchange(server: &Http, step: &HttpStep, scene: &Scene) -> String {
    let token = server.token.as_ref().map_or("", |(token, _)| token);
    let head = scene.words.put_in(&step.http).replace("@TOKEN", token);
    let body = scene.words.put_in(&step.body);
    let HttpAnswer {
        status,
        headers,
        body,
    } = server.exchange(&head, body.as_bytes());
    assert!(
        step.status.contains(&status),
        "{status} is the answer to {head}"
    );
    format!("{status} {headers:?} {}", String::from_utf8_lossy(&body))
}

/// The answer as text, if it is one of those that are right.
#[track_caller]
fn judged(answer: &Answer, right: &case::Outcomes, asked: &Value) -> String {
    let (kind, text) = match answer {
        Err(failure) => ("protocol_error".to_owned(), failure.message.clone()),
        Ok(result) if result.get("content").is_none() => ("ok".to_owned(), result.to_string()),
        Ok(result) => {
            let reply = Reply::new(Ok(result.clone()));
            let text = reply.text().to_owned();
            let kind = if reply.is_error() {
                reply.error()["code"]
                    .as_str()
                    .expect("an error has a code")
                    .to_owned()
            } else {
                "ok".to_owned()
            };
            (kind, text)
        }
    };
    let is_right = |right: &String| match right.as_str() {
        "refused" => kind != "ok",
        right => right == kind,
    };
    assert!(
        right.0.is_empty() || right.0.iter().any(is_right),
        "{kind} instead of {} is the answer to {:.1000}\n{text:.500}",
        right.0.join(" or "),
        asked.to_string()
    );
    text
}
