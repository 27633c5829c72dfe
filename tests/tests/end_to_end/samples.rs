//! Arguments that every tool takes.

use std::path::PathBuf;
use std::process::{Child, Command};

use mcp_tests::{Stage, Website};
use serde_json::{Value, json};

/// The tools, by name.
pub(crate) const TOOLS: [&str; 14] = [
    "analyze_text",
    "batch_read_files",
    "clear_cache",
    "execute_command",
    "get_env_var",
    "get_metrics",
    "health_check",
    "http_request_secure",
    "kill_process",
    "list_processes",
    "read_file_secure",
    "scrape_webpage_secure",
    "system_info",
    "write_file_secure",
];

/// The least that a tool asks for. Whoever these calls hit, nobody is hurt: process 1 is refused.
pub(crate) fn required(tool: &str) -> Value {
    match tool {
        "analyze_text" => json!({ "text": "One two." }),
        "batch_read_files" => json!({ "paths": ["sample.txt"] }),
        "execute_command" => json!({ "command": "true" }),
        "get_env_var" => json!({ "name": "LANG" }),
        "http_request_secure" | "scrape_webpage_secure" => json!({ "url": "http://127.0.0.1:9/" }),
        "kill_process" => json!({ "pid": 1 }),
        "read_file_secure" => json!({ "path": "sample.txt" }),
        "write_file_secure" => json!({ "path": "written.txt", "content": "new" }),
        _ => json!({}),
    }
}

/// Things for calls to succeed on: a file, a web page and a process.
pub(crate) struct Props {
    website: Website,
    victim: Victim,
}

impl Props {
    /// Puts them on a stage.
    pub(crate) fn on(stage: &Stage) -> Self {
        stage.file("root/sample.txt", "sample\n");
        let page = "<title>T</title><p>Hello <a href='/a'>there</a></p>".to_owned();
        Self {
            website: Website::open(&[("/", page)]),
            victim: Victim::on(stage),
        }
    }

    /// Arguments with which a tool succeeds, once.
    pub(crate) fn arguments(&self, tool: &str) -> Value {
        let mut arguments = required(tool);
        match tool {
            "http_request_secure" | "scrape_webpage_secure" => {
                arguments["url"] = self.website.url("/").into();
            }
            "kill_process" => arguments["pid"] = self.victim.pid().into(),
            _ => {}
        }
        arguments
    }
}

/// A process of the server's user that may be ended.
pub(crate) struct Victim(Child);

impl Victim {
    /// Starts one.
    pub(crate) fn on(stage: &Stage) -> Self {
        Self::start(stage.command("sleep").arg("600"))
    }

    /// Starts `command` to be one.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A path as an argument.
pub(crate) fn text(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap()
}
