//! `omnipotent-mcp explain`: what the policy would say to a call, without making it.

mod rulings;

use std::str::FromStr;

use mcp_toolcall::{Account, Call, Caller, Catalog, Code, ToolError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Config;
use rulings::{Ruling, ruling};

/// A call as a client sends it: the parameters of `tools/call`, or the whole request.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    name: String,
    arguments: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Asked {
    Request { params: Parameters },
    Parameters(Parameters),
}

#[derive(Deserialize)]
struct Parameters {
    name: String,
    #[serde(default)]
    arguments: Option<Map<String, Value>>,
}

/// The text is no call.
#[derive(Debug, thiserror::Error)]
#[error(
    "not a tool call; give one as {{\"name\": \"read_file_secure\", \"arguments\": {{\"path\": \"a\"}}}}"
)]
pub struct NoCall(#[source] serde_json::Error);

impl FromStr for Question {
    type Err = NoCall;

    fn from_str(text: &str) -> Result<Self, NoCall> {
        let asked: Asked = serde_json::from_str(text).map_err(NoCall)?;
        let (Asked::Request { params } | Asked::Parameters(params)) = asked;
        Ok(Self {
            name: params.name,
            arguments: params.arguments.unwrap_or_default(),
        })
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It would run.
    Allowed,
    /// It would run, and the answer would leave out what is refused.
    PartlyAllowed,
    /// It would run once a person has agreed, so it is refused.
    NeedsConfirmation,
    /// The policy refuses it.
    Denied,
    /// It is wrong in itself, or about something that is not there.
    Invalid,
}

/// What the policy would say to a call.
#[derive(Debug, Serialize)]
pub struct Explanation {
    tool: String,
    /// The version of the policy that was asked.
    policy: String,
    verdict: Verdict,
    /// Why it may run.
    because: Vec<String>,
    /// What is refused, and why.
    refused: Vec<Refusal>,
    /// What is judged only while the call runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    judged_later: Option<&'static str>,
}

/// One refusal as the caller would see it, and what only the operator sees.
#[derive(Debug, Serialize)]
struct Refusal {
    code: &'static str,
    error: String,
    #[serde(flatten)]
    ruling: Option<Ruling>,
}

/// Asks the policy of `catalog`, made from `config`, about a call.
///
/// # Errors
/// When there is no such tool.
pub async fn explain(
    question: Question,
    (catalog, version): (&Catalog, &str),
    config: &Config,
) -> Result<Explanation, UnknownTool> {
    let Question { name, arguments } = question;
    let Some(tool) = catalog.find(&name) else {
        let known = catalog.iter().map(|tool| tool.spec().name).collect();
        return Err(UnknownTool { name, known });
    };
    let call = Call::unwatched(Caller::new("operator"));
    let spec = tool.spec();
    let refusal = |error: &ToolError| Refusal {
        code: error.code().as_str(),
        error: error.message().to_owned(),
        ruling: ruling(error, config, spec),
    };
    let (verdict, account) = match tool.judge(arguments, &call).await {
        Ok(account) => (allowed(&account), account),
        Err(error) => {
            let account = Account {
                left_out: vec![error.clone()],
                ..Account::default()
            };
            (refused(error.code()), account)
        }
    };
    Ok(Explanation {
        tool: name,
        policy: version.to_owned(),
        verdict,
        because: account.because,
        refused: account.left_out.iter().map(refusal).collect(),
        judged_later: account.judged_later,
    })
}

/// There is no tool of that name.
#[derive(Debug, thiserror::Error)]
#[error("there is no tool `{name}`; there are {}", known.join(", "))]
pub struct UnknownTool {
    name: String,
    known: Vec<&'static str>,
}

fn allowed(account: &Account) -> Verdict {
    match (account.left_out.as_slice(), account.because.is_empty()) {
        ([], _) => Verdict::Allowed,
        ([first, ..], true) => refused(first.code()),
        (_, false) => Verdict::PartlyAllowed,
    }
}

fn refused(code: Code) -> Verdict {
    if code == Code::ConfirmationRequired {
        Verdict::NeedsConfirmation
    } else if code.is_denial() {
        Verdict::Denied
    } else {
        Verdict::Invalid
    }
}

impl Explanation {
    /// Whether the call would run as it is.
    pub fn is_allowed(&self) -> bool {
        self.verdict == Verdict::Allowed
    }

    /// For people to read.
    pub fn to_text(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Allowed => "allowed",
            Verdict::PartlyAllowed => "allowed in part",
            Verdict::NeedsConfirmation => "refused: it needs a person's confirmation",
            Verdict::Denied => "denied",
            Verdict::Invalid => "refused: the call itself is wrong",
        };
        let mut text = format!("{}: {verdict}\n", self.tool);
        let mut line = |label: &str, value: &str| {
            text.extend(["  ", label, ": ", value, "\n"]);
        };
        for reason in &self.because {
            line("because", reason);
        }
        if self.because.is_empty() && self.refused.is_empty() {
            line("because", "the policy guards nothing that it touches");
        }
        for Refusal {
            code,
            error,
            ruling,
        } in &self.refused
        {
            line(code, error);
            if let Some(Ruling { rule, grant }) = ruling {
                line("rule", rule);
                line(
                    "grant",
                    grant.as_deref().unwrap_or("none: no setting allows it"),
                );
            }
        }
        if let Some(later) = self.judged_later {
            line("later", &format!("judged only while it runs: {later}"));
        }
        line("policy", &self.policy);
        text
    }
}
