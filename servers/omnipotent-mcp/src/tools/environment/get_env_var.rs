//! Reads an environment variable from the allow-list.

use std::time::Duration;

use mcp_security::environment::{
    EnvironmentDenied, EnvironmentPolicy, EnvironmentSnapshot, ReadableName,
};
use mcp_toolcall::bounded::Text;
use mcp_toolcall::{Account, Caching, Call, Code, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads an environment variable from the allow-list.
#[derive(Debug)]
pub struct GetEnvVar {
    /// Which names may be read.
    pub policy: EnvironmentPolicy,
    /// The environment as it was when the server started.
    pub environment: EnvironmentSnapshot,
}

/// Which variable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The variable's name; case counts.
    name: Text<1, 256>,
    /// What to answer when the variable is unset or may not be read.
    #[serde(default)]
    default: Option<Text<0, 65_536>>,
}

/// A variable and its value.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reply {
    /// The name that was asked for.
    name: String,
    /// Its value, else the default, else null.
    value: Option<String>,
}

/// What to answer. A refused name is not an error: it must look like an unset one.
#[derive(Debug)]
pub struct Plan {
    name: String,
    readable: Result<ReadableName, EnvironmentDenied>,
    default: Option<String>,
}

impl Tool for GetEnvVar {
    const SPEC: ToolSpec = ToolSpec {
        name: "get_env_var",
        title: "Read an environment variable",
        summary: "Reads one environment variable of the server, such as PATH, HOME or LANG. Only \
                  names on an allow-list are read; a refused and an unset one both give `default`, \
                  or null.",
        effects: Effects::READ,
        caching: Caching::None,
        deadline: Duration::from_secs(1),
    };
    type Args = Args;
    type Plan = Plan;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Plan, ToolError> {
        let readable = self
            .policy
            .vet(&args.name)
            .inspect_err(|_| mcp_metrics::security_block(Code::EnvDenied.as_str()));
        let default = args.default.map(Text::into_inner);
        Ok(Plan {
            name: args.name.into_inner(),
            readable,
            default,
        })
    }

    fn account(&self, plan: &Plan) -> Account {
        match &plan.readable {
            Ok(_) => Account {
                because: vec![format!("environment.readable lists `{}`", plan.name)],
                ..Account::default()
            },
            Err(denied) => Account {
                left_out: vec![
                    ToolError::new(Code::EnvDenied, denied.to_string()).with_source(denied.clone()),
                ],
                ..Account::default()
            },
        }
    }

    async fn run(&self, plan: Plan, _: &Call) -> Result<Reply, ToolError> {
        let value = plan
            .readable
            .ok()
            .and_then(|name| self.environment.value(&name));
        Ok(Reply {
            name: plan.name,
            value: value.or(plan.default),
        })
    }
}

#[cfg(test)]
mod tests {
    use mcp_security::environment::EnvironmentConfig;
    use mcp_toolcall::Caller;

    use super::*;

    async fn value(args: &str) -> Option<String> {
        let environment = [("HOME", "/home/ada"), ("API_TOKEN", "s3cr3t-value")];
        let tool = GetEnvVar {
            policy: EnvironmentConfig::default().build().unwrap(),
            environment: environment
                .map(|(name, value)| (name.into(), value.into()))
                .into_iter()
                .collect(),
        };
        let call = Call::unwatched(Caller::new("test"));
        let plan = tool
            .vet(serde_json::from_str(args).unwrap(), &call)
            .await
            .unwrap();
        tool.run(plan, &call).await.unwrap().value
    }

    #[tokio::test]
    async fn answers_alike_for_refused_and_unset_names() {
        let check = |args: &'static str, expected: Option<&'static str>| async move {
            assert_eq!(value(args).await.as_deref(), expected, "{args}");
        };
        check(r#"{"name":"HOME"}"#, Some("/home/ada")).await;
        check(r#"{"name":"HOME","default":"x"}"#, Some("/home/ada")).await;
        for name in ["TZ", "API_TOKEN", "home", "HOME=", "\\u0000"] {
            let args = format!(r#"{{"name":"{name}"}}"#);
            assert_eq!(value(&args).await, None, "{name}");
            let args = format!(r#"{{"name":"{name}","default":"x"}}"#);
            assert_eq!(value(&args).await.as_deref(), Some("x"), "{name}");
        }
    }
}
