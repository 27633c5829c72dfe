//! What a line says beside its place in the chain.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

/// Longest line that the server writes, in bytes: a call whose arguments are
/// [`MAX_ARGUMENTS_BYTES`] long, with room to spare.
pub(crate) const MAX_LINE_BYTES: u64 = 4096;

/// Longest text of a call's arguments, in bytes; longer ones are left out.
pub const MAX_ARGUMENTS_BYTES: usize = 2048;

/// Longest name of a caller that is written whole, in characters.
const MAX_CALLER_CHARS: usize = 128;

/// What became of the question whether the call may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The policy let it run.
    Allowed,
    /// The policy refused it.
    Denied,
    /// It was refused before the policy was asked: an unknown tool, arguments that do not fit.
    Refused,
}

/// How the call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With a reply.
    Succeeded,
    /// With an error; its code says which.
    Failed,
    /// Its caller gave up, or the server stopped.
    Cancelled,
}

/// One call as it is recorded.
#[derive(Debug, Serialize)]
pub(crate) struct CallBody<'a> {
    #[serde(serialize_with = "shortened")]
    pub(crate) caller: &'a str,
    pub(crate) tool: &'static str,
    pub(crate) decision: Decision,
    pub(crate) outcome: Outcome,
    pub(crate) code: Option<&'static str>,
    pub(crate) policy: Option<&'a str>,
    #[serde(serialize_with = "milliseconds")]
    pub(crate) duration_ms: Duration,
}

/// Everything else that is recorded.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    /// A server started to write.
    Start {
        version: &'a str,
        policy: Option<&'a str>,
    },
    /// It stopped in an orderly way.
    Stop,
    /// Another policy came into force.
    Policy {
        policy: &'a str,
        before: Option<&'a str>,
    },
    /// Calls that were turned away on arrival since the last such record.
    TurnedAway { rate_limited: u64, saturated: u64 },
    /// Records that could not be written since the last that could.
    Lost { records: u64 },
    /// A file was begun after the one it names; `oldest` is the number of the oldest that is kept.
    Rotate { continues: &'a str, oldest: u64 },
    /// The last line of a file was torn by the end of its writer and was taken off.
    Repair { dropped_bytes: u64 },
    /// The end of a file was not a line of the chain: it was set aside and a new chain begun.
    Damage { set_aside: &'a str },
}

/// Who writes: the same in every line of one server process.
#[derive(Debug, Clone)]
pub(crate) struct Origin(Arc<str>);

impl Origin {
    /// This process as an instance of `server`.
    pub(crate) fn of_process(server: &str) -> Self {
        let mut random = [0_u8; 4];
        // Only tells processes apart whose number the kernel used twice.
        getrandom::fill(&mut random).unwrap_or_default();
        let instance = u32::from_ne_bytes(random);
        let pid = std::process::id();
        let members =
            format!("\"server\":\"{server}\",\"pid\":{pid},\"instance\":\"{instance:08x}\"");
        Self(members.into())
    }

    /// The members of a call's line; `arguments` is JSON, or empty.
    pub(crate) fn call(&self, call: &CallBody<'_>, arguments: &str) -> String {
        let mut body = self.body("\"event\":\"call\",", call);
        if !arguments.is_empty() {
            body.push_str(",\"arguments\":");
            body.push_str(arguments);
        }
        body
    }

    /// The members of an event's line.
    pub(crate) fn event(&self, event: &Event<'_>) -> String {
        self.body("", event)
    }

    fn body(&self, lead: &str, members: &impl Serialize) -> String {
        // Numbers, texts and enums are all there is: writing them does not fail.
        let members = serde_json::to_string(members).unwrap_or_default();
        let members = members.strip_prefix('{').unwrap_or(&members);
        let members = members.strip_suffix('}').unwrap_or(members);
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        format!("\"time\":\"{time}\",{},{lead}{members}", self.0)
    }
}

/// To the microsecond.
fn milliseconds<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e3)
}

fn shortened<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    let end = text.char_indices().nth(MAX_CALLER_CHARS);
    to.serialize_str(end.and_then(|(end, _)| text.get(..end)).unwrap_or(text))
}
