//! Lists the processes of the machine.

use std::time::Duration;

use mcp_toolcall::bounded::{Int, Text};
use mcp_toolcall::{Caching, Call, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PROCESSES, explain};
use crate::host::{Host, ProcessOrder, ProcessQuery, ProcessRow};

/// Lists the processes of the machine.
#[derive(Debug)]
pub struct ListProcesses {
    /// The machine.
    pub host: Host,
}

/// Which processes, in which order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Part of the process name, in any case; empty for all.
    #[serde(default)]
    filter_name: Text<0, 256>,
    /// What comes first: the most memory, the most cpu, the lowest pid, names by alphabet, or the
    /// latest started.
    #[serde(default)]
    sort_by: ProcessOrder,
    /// How many processes at most.
    #[serde(default = "default_limit")]
    limit: Int<1, 200>,
}

const fn default_limit() -> Int<1, 200> {
    const { Int::literal(200) }
}

/// Processes, sorted and then cut.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// The processes.
    processes: Vec<ProcessRow>,
    /// How many are listed.
    count: usize,
    /// How many matched.
    total: usize,
    /// Whether some that matched are not listed.
    limited: bool,
}

impl Tool for ListProcesses {
    const SPEC: ToolSpec = ToolSpec {
        name: "list_processes",
        title: "List processes",
        summary: "Lists running processes, sorted before the list is cut to `limit` (at most \
                  200); `limited` says whether some are missing, then narrow by filter_name. Up \
                  to 5 s old.",
        effects: Effects::READ,
        caching: Caching::Reads {
            topic: PROCESSES,
            ttl: Duration::from_secs(5),
        },
        deadline: Duration::from_secs(5),
    };
    type Args = Args;
    type Plan = ProcessQuery;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<ProcessQuery, ToolError> {
        Ok(ProcessQuery {
            name_contains: args.filter_name.into_inner(),
            order: args.sort_by,
            limit: args.limit.as_usize(),
        })
    }

    async fn run(&self, query: ProcessQuery, _: &Call) -> Result<Reply, ToolError> {
        let list = self.host.processes(query).await.map_err(explain)?;
        let count = list.rows.len();
        Ok(Reply {
            processes: list.rows,
            count,
            total: list.total,
            limited: list.total > count,
        })
    }
}

#[cfg(test)]
mod tests {
    use mcp_toolcall::Caller;

    use super::*;

    async fn list(args: &str) -> Reply {
        let tool = ListProcesses { host: Host::new() };
        let call = Call::unwatched(Caller::new("test"));
        let plan = tool
            .vet(serde_json::from_str(args).unwrap(), &call)
            .await
            .unwrap();
        tool.run(plan, &call).await.unwrap()
    }

    #[tokio::test]
    async fn says_when_the_list_was_cut() {
        let reply = list(r#"{"limit":1,"sort_by":"pid"}"#).await;
        assert_eq!((reply.count, reply.processes.len()), (1, 1));
        assert_eq!(reply.limited, reply.total > 1);
        let reply = list(r#"{"filter_name":"no process has this name"}"#).await;
        assert_eq!((reply.count, reply.total, reply.limited), (0, 0, false));
    }

    #[test]
    fn refuses_limits_and_orders_out_of_bounds() {
        for args in [
            r#"{"limit":0}"#,
            r#"{"limit":201}"#,
            r#"{"sort_by":"size"}"#,
            r#"{"a":1}"#,
        ] {
            assert!(serde_json::from_str::<Args>(args).is_err(), "{args}");
        }
    }
}
