//! Sub-commands that ask a server which is built but not served.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use mcp_serve::program::show;
use omnipotent_mcp::config::ENVIRONMENT_PREFIX;
use omnipotent_mcp::explain::{Question, explain};
use omnipotent_mcp::{Config, Server};

/// Largest call that is read, in bytes: the largest message a server takes by default.
const LARGEST_CALL: u64 = 16 * 1024 * 1024;

/// Prints the tools, configuration keys and metrics.
pub(crate) fn reference(server: &Server) -> anyhow::Result<ExitCode> {
    let mut reference = mcp_serve::reference::<Config>(server.pipeline(), ENVIRONMENT_PREFIX);
    let rules = mcp_security::commands::built_in_rules();
    if let Some(parts) = reference.as_object_mut() {
        parts.insert("command_rules".to_owned(), serde_json::to_value(rules)?);
    }
    show(&format!("{reference:#}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what this host can enforce; an error when commands would be refused.
pub(crate) async fn diagnose(server: &Server, json: bool) -> anyhow::Result<ExitCode> {
    let diagnosis = server.diagnose().await.context("a root is gone")?;
    if json {
        show(&format!("{:#}\n", serde_json::to_value(&diagnosis)?))?;
    } else {
        show(&diagnosis.to_text())?;
    }
    anyhow::ensure!(diagnosis.is_met(), "commands are refused on this host");
    Ok(ExitCode::SUCCESS)
}

/// Prints what the policy would say to the call in `file`, or on standard input.
pub(crate) async fn explain_call(
    server: &Server,
    config: &Config,
    (file, json): (&Path, bool),
) -> anyhow::Result<ExitCode> {
    let question: Question = read(file)?.parse()?;
    let policy = server.pipeline().policy();
    let about = (&policy.catalog, &*policy.version);
    let explanation = explain(question, about, config).await?;
    if json {
        show(&format!("{:#}\n", serde_json::to_value(&explanation)?))?;
    } else {
        show(&explanation.to_text())?;
    }
    Ok(if explanation.is_allowed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let bytes = if file == Path::new("-") {
        std::io::stdin()
            .take(LARGEST_CALL + 1)
            .read_to_string(&mut text)
    } else {
        std::fs::File::open(file)
            .and_then(|file| file.take(LARGEST_CALL + 1).read_to_string(&mut text))
    };
    let bytes = bytes.with_context(|| format!("cannot read {}", file.display()))?;
    let fits = u64::try_from(bytes).is_ok_and(|bytes| bytes <= LARGEST_CALL);
    anyhow::ensure!(fits, "the call is longer than {LARGEST_CALL} bytes");
    Ok(text)
}
