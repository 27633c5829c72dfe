//! What a tool is: one type that implements [`Tool`].

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Account, Call, ToolError};

/// A tool: arguments are vetted into a plan, and only a plan can be run.
///
/// `Args` must refuse unknown fields (`#[serde(deny_unknown_fields)]`) and carry its bounds in its
/// types (see [`crate::bounded`]), so that the published schema is what is enforced.
pub trait Tool: Send + Sync + 'static {
    /// Name, description, effects and defaults.
    const SPEC: ToolSpec;
    /// The arguments as the caller sends them.
    type Args: DeserializeOwned + JsonSchema + Send + 'static;
    /// Proof that the policy was asked: built from witness types only.
    type Plan: Send + 'static;
    /// The structured answer.
    type Reply: Serialize + JsonSchema + Send + 'static;

    /// [`Tool::SPEC`] with what the configuration changed (deadline, time to live).
    fn spec(&self) -> ToolSpec {
        Self::SPEC
    }

    /// Asks the policy. Must not change anything.
    fn vet(
        &self,
        args: Self::Args,
        call: &Call,
    ) -> impl Future<Output = Result<Self::Plan, ToolError>> + Send;

    /// Why the policy lets a plan run, and what of it the policy refuses all the same.
    fn account(&self, _plan: &Self::Plan) -> Account {
        Account::default()
    }

    /// Does the work. Dropping the future must stop it.
    fn run(
        &self,
        plan: Self::Plan,
        call: &Call,
    ) -> impl Future<Output = Result<Self::Reply, ToolError>> + Send;
}

/// What everyone may know about a tool without calling it.
#[derive(Debug, Clone, Copy)]
pub struct ToolSpec {
    /// Unique name, `[a-z_]+`; also the metric label.
    pub name: &'static str,
    /// Short name for people.
    pub title: &'static str,
    /// What the model reads: what it does, its limits, what to do next.
    pub summary: &'static str,
    /// What a call may change, and where.
    pub effects: Effects,
    /// Whether replies may be remembered.
    pub caching: Caching,
    /// Longest a call may take before it is stopped with `timed_out`.
    pub deadline: Duration,
}

/// What a call may change, and where. Published as the MCP tool annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// What is changed.
    pub change: Change,
    /// Where the effect may be.
    pub reach: Reach,
}

impl Effects {
    /// Reads this machine.
    pub const READ: Self = Self {
        change: Change::None,
        reach: Reach::Machine,
    };
    /// Reads the world outside this machine.
    pub const READ_WORLD: Self = Self {
        change: Change::None,
        reach: Reach::World,
    };
    /// Changes this machine in a way that loses nothing.
    pub const KEEP: Self = Self {
        change: Change::Reversible,
        reach: Reach::Machine,
    };
    /// Changes this machine in a way that may lose something.
    pub const DESTRUCTIVE: Self = Self {
        change: Change::Destructive,
        reach: Reach::Machine,
    };
}

/// How much a call changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Nothing (`readOnlyHint`).
    None,
    /// Something that loses nothing, and repeating it changes nothing more (`idempotentHint`).
    Reversible,
    /// Something that may be lost (`destructiveHint`).
    Destructive,
}

/// How far a call reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Only this machine.
    Machine,
    /// Other machines too (`openWorldHint`).
    World,
}

/// Whether replies may be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caching {
    /// Every call runs.
    None,
    /// Equal calls of one caller within `ttl` share a reply, unless the topic was written to.
    Reads {
        /// What the reply is about.
        topic: Topic,
        /// How long a reply may be served.
        ttl: Duration,
    },
    /// Every call runs, and replies about the topic are forgotten.
    Writes {
        /// What the call changes.
        topic: Topic,
    },
}

/// What a cached reply is about; a write to a topic forgets the replies about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Topic(pub &'static str);
