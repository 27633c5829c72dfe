//! The tool of those who define bundles, on the bundles that are shipped: it must find the manifest valid,
//! unpack the file, and what it unpacked must serve a client when it is started as the manifest says.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::bench::Bench;
use super::clients;
use crate::dist::bundles;

const TOOL: &str = "@anthropic-ai/mcpb/dist/cli/cli.js";

pub(super) fn installs(bench: &Bench<'_>) -> Result<()> {
    let place = bench.home.join("bundle");
    let bundle = bundles::pack(&bench.binary, bench.subject.model.as_deref(), None, &place)?;
    let unpacked = place.join("unpacked");
    let tool = |arguments: &[&Path]| {
        let mut command = bench.tools.node();
        command.arg(bench.tools.node_file(TOOL)).args(arguments);
        bench.run(&mut command)
    };
    tool(&[Path::new("unpack"), &bundle, &unpacked])?;
    let manifest = unpacked.join("manifest.json");
    tool(&[Path::new("validate"), &manifest])?;
    let manifest: Value = serde_json::from_slice(&fs::read(&manifest)?)?;
    let tools = manifest.get("tools").and_then(Value::as_array);
    ensure!(
        tools.is_some_and(|tools| tools.len() == bench.subject.tool_count),
        "the manifest has not all tools"
    );
    clients::mcp_started_by(bench, &started(&manifest, &unpacked, &bench.root)?)
}

/// The command line that a client makes of the manifest, for a person who chose one directory for all
/// that is asked.
fn started(manifest: &Value, unpacked: &Path, chosen: &Path) -> Result<Vec<String>> {
    let config = manifest.pointer("/server/mcp_config");
    let config = config.context("the manifest says not how to start it")?;
    let arguments = config.get("args").and_then(Value::as_array);
    let words = config.get("command").into_iter();
    let words = words.chain(arguments.into_iter().flatten());
    let asked = manifest.get("user_config").and_then(Value::as_object);
    let asked = asked.context("the manifest asks for nothing")?;
    words
        .map(|word| {
            let word = word.as_str().context("a word of the command is no text")?;
            let mut word = word.replace("${__dirname}", &unpacked.to_string_lossy());
            for name in asked.keys() {
                let place = format!("${{user_config.{name}}}");
                word = word.replace(&place, &chosen.to_string_lossy());
            }
            ensure!(!word.contains("${"), "nothing stands for {word}");
            Ok(word)
        })
        .collect()
}
