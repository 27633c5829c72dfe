//! The tools a server offers, by name, each behind one object-safe twin of [`Tool`].

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::OnceLock;

use mcp_metrics::CallMeter;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Account, Call, Tool, ToolError, ToolSpec, schema};

/// Tools by name, in the order of their names.
#[derive(Debug, Default)]
pub struct Catalog {
    tools: BTreeMap<&'static str, Entry>,
}

impl Catalog {
    /// Adds a tool. A second tool of the same name takes the place of the first.
    #[must_use]
    pub fn with<T: Tool>(mut self, tool: T) -> Self {
        let spec = tool.spec();
        let entry = Entry {
            spec,
            tool: Box::new(tool),
            input: Written::default(),
            output: Written::default(),
            meter: CallMeter::new(spec.name),
        };
        self.tools.insert(spec.name, entry);
        self
    }

    /// The tool of that name.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.tools.get(name)
    }

    /// All tools, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.tools.values()
    }
}

/// A schema, made on first need because a start must not pay for it, and kept as text: as values those
/// of forty tools take half a megabyte.
#[derive(Default)]
struct Written(OnceLock<Box<str>>);

impl Written {
    fn get_or_write(&self, make: impl FnOnce() -> Map<String, Value>) -> Map<String, Value> {
        let write = || Value::Object(make()).to_string().into();
        serde_json::from_str(self.0.get_or_init(write)).unwrap_or_default()
    }
}

/// One tool of a [`Catalog`].
pub struct Entry {
    spec: ToolSpec,
    tool: Box<dyn AnyTool>,
    input: Written,
    output: Written,
    meter: CallMeter,
}

impl Entry {
    /// What the tool is.
    pub fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    /// The schema of its arguments.
    pub fn input_schema(&self) -> Map<String, Value> {
        self.input.get_or_write(|| self.tool.input_schema())
    }

    /// The schema of its reply.
    pub fn output_schema(&self) -> Map<String, Value> {
        self.output.get_or_write(|| self.tool.output_schema())
    }

    pub(crate) fn meter(&self) -> &CallMeter {
        &self.meter
    }

    pub(crate) async fn vet<'a>(
        &'a self,
        arguments: Map<String, Value>,
        call: &'a Call,
    ) -> Result<Vetted<'a>, ToolError> {
        self.tool.vet(arguments, call).await
    }

    /// Asks the policy about a call without making it.
    ///
    /// # Errors
    /// As the call would be refused before it runs.
    pub async fn judge(
        &self,
        arguments: Map<String, Value>,
        call: &Call,
    ) -> Result<Account, ToolError> {
        self.tool.judge(arguments, call).await
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, ToolError>> + Send + 'a>>;

/// A call the policy has allowed, ready to run once.
pub(crate) struct Vetted<'a>(Pending<'a, Value>);

impl Vetted<'_> {
    pub(crate) async fn run(self) -> Result<Value, ToolError> {
        self.0.await
    }
}

trait AnyTool: Send + Sync {
    fn input_schema(&self) -> Map<String, Value>;
    fn output_schema(&self) -> Map<String, Value>;
    fn vet<'a>(&'a self, arguments: Map<String, Value>, call: &'a Call) -> Pending<'a, Vetted<'a>>;
    fn judge<'a>(&'a self, arguments: Map<String, Value>, call: &'a Call) -> Pending<'a, Account>;
}

impl<T: Tool> AnyTool for T {
    fn input_schema(&self) -> Map<String, Value> {
        schema::of_arguments::<T::Args>()
    }

    fn output_schema(&self) -> Map<String, Value> {
        schema::of_reply::<T::Reply>()
    }

    fn vet<'a>(&'a self, arguments: Map<String, Value>, call: &'a Call) -> Pending<'a, Vetted<'a>> {
        Box::pin(async move {
            let plan = Tool::vet(self, parse::<T::Args>(arguments)?, call).await?;
            let run: Pending<'a, Value> = Box::pin(async move {
                let reply = self.run(plan, call).await?;
                serde_json::to_value(reply).map_err(|error| {
                    ToolError::new(crate::Code::Internal, "the reply could not be written")
                        .with_source(error)
                })
            });
            Ok(Vetted(run))
        })
    }

    fn judge<'a>(&'a self, arguments: Map<String, Value>, call: &'a Call) -> Pending<'a, Account> {
        Box::pin(async move {
            let plan = Tool::vet(self, parse::<T::Args>(arguments)?, call).await?;
            Ok(self.account(&plan))
        })
    }
}

fn parse<A: DeserializeOwned>(arguments: Map<String, Value>) -> Result<A, ToolError> {
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let path = error.path().to_string();
        ToolError::invalid(path, error.into_inner())
    })
}
