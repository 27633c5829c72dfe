//! The protocol's own conformance suites: the frozen release and the next one.
//!
//! They are written for a server with their fixtures (tools, prompts and resources of given
//! names). A server without them must fail exactly the scenarios that
//! `xtask/judges/expected-*.yaml` list: one more is a regression, one less a stale entry.

use anyhow::Result;

use super::bench::Bench;

pub(super) fn frozen_2025_11_25(bench: &Bench<'_>) -> Result<()> {
    suite(bench, "conformance-frozen", "2025-11-25")
}

pub(super) fn next_2025_11_25(bench: &Bench<'_>) -> Result<()> {
    suite(bench, "conformance-next", "2025-11-25")
}

pub(super) fn next_2026_07_28(bench: &Bench<'_>) -> Result<()> {
    suite(bench, "conformance-next", "2026-07-28")
}

/// The suites send no credentials, so a preloaded module adds the token to their requests.
fn suite(bench: &Bench<'_>, package: &str, revision: &str) -> Result<()> {
    let server = bench.serve()?;
    let endpoint = server.addresses.endpoint();
    let calls = bench.subject.calls;
    let expected = format!("expected-{calls}-{package}-{revision}.yaml");
    let mut command = bench.tools.node();
    command
        .arg("--import")
        .arg(bench.tools.scripts.join("authorize.mjs"));
    command
        .env("JUDGE_TOKEN_FILE", bench.token_file())
        .env("JUDGE_ENDPOINT", &endpoint);
    command.arg(bench.tools.node_file(package).join("dist/index.js"));
    command.args([
        "server",
        "--url",
        &endpoint,
        "--suite",
        "all",
        "--spec-version",
        revision,
    ]);
    command
        .arg("--expected-failures")
        .arg(bench.tools.scripts.join(expected));
    command.arg("--output-dir").arg(bench.home.join("results"));
    bench.run(&mut command)?;
    server.stop()
}
