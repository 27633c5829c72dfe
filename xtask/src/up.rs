//! Starts every server on loopback and says how to talk to it, until Ctrl-C.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::server::{Addresses, Server};
use crate::workspace::Workspace;

/// How a server is presented.
struct Introduction {
    package: &'static str,
    http_port: u16,
    ops_port: u16,
    /// Things a newcomer asks the model for.
    requests: &'static [&'static str],
}

const INTRODUCTIONS: &[Introduction] = &[
    Introduction {
        package: "omnipotent-mcp",
        http_port: 8931,
        ops_port: 9931,
        requests: &[
            "How much memory is free here, and which five processes use the most?",
            "Read Cargo.toml and list the dependencies by purpose.",
            "Run `cargo --version`, then write the answer to notes.txt.",
        ],
    },
    Introduction {
        package: "a2a-unified-mcp",
        http_port: 8932,
        ops_port: 9932,
        requests: &[
            "Remember that we deploy on Fridays, in the category \"team\".",
            "What do we know about deployments?",
            "Show me how that memory changed over time, and bring back its first version.",
        ],
    },
];

/// How often the servers and the stop flag are looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);

/// `cargo xtask up [--release]`.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let profile = if crate::only_flag(args, "--release")? {
        "release"
    } else {
        "ci"
    };
    let introductions = introductions(&workspace.servers()?)?;
    let binaries = workspace.build_servers(profile)?;
    crate::model::place_beside(workspace, &binaries)?;
    let stop = stop_flag()?;

    let mut servers = Vec::new();
    for introduction in introductions {
        let binary = binaries.join(introduction.package);
        let addresses = Addresses::at_or_after(introduction.http_port, introduction.ops_port)?;
        if addresses.http.port() != introduction.http_port {
            println!(
                "port {} is taken, using {}",
                introduction.http_port,
                addresses.http.port()
            );
        }
        let server = Server::start(Command::new(&binary), addresses)
            .with_context(|| format!("cannot start {}", introduction.package))?;
        println!("{}", welcome(introduction, &binary));
        servers.push((introduction.package, server));
    }
    println!("Ctrl-C stops everything.");
    watch(&mut servers, &stop)?;

    println!("\nstopping");
    for (package, server) in servers {
        server
            .stop()
            .with_context(|| format!("cannot stop {package}"))?;
    }
    Ok(())
}

/// Every server must be introduced, so that a new one is not forgotten here.
fn introductions(servers: &[String]) -> Result<Vec<&'static Introduction>> {
    let find = |server: &String| {
        let introduction = INTRODUCTIONS.iter().find(|known| known.package == server);
        introduction.with_context(|| format!("{server} has no entry in xtask/src/up.rs"))
    };
    servers.iter().map(find).collect()
}

/// Set by SIGINT and SIGTERM. The servers lead process groups of their own, so the terminal's
/// SIGINT reaches only this process, which then stops them in order.
fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

fn watch(servers: &mut [(&str, Server)], stop: &AtomicBool) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        for (package, server) in servers.iter_mut() {
            if let Some(status) = server.exited()? {
                bail!("{package} ended by itself: {status}");
            }
        }
        thread::sleep(WATCH_INTERVAL);
    }
    Ok(())
}

/// What the server does not say itself: it tells where it is, and how Claude Code is told of it.
fn welcome(introduction: &Introduction, binary: &Path) -> String {
    let Introduction {
        package, requests, ..
    } = introduction;
    let name = package.strip_suffix("-mcp").unwrap_or(package);
    let entry = serde_json::json!({
        "mcpServers": { name: { "type": "stdio", "command": binary, "args": [] } }
    });
    let requests: Vec<String> = requests
        .iter()
        .map(|request| format!("    - {request}"))
        .collect();
    format!(
        "\n  Any client, a {package} of its own over stdio:\n    {entry}\n\n  \
           Try asking:\n{requests}\n",
        requests = requests.join("\n"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_to_forget_a_new_server() {
        assert!(introductions(&["omnipotent-mcp".to_owned()]).is_ok());
        let error = introductions(&["new-mcp".to_owned()]).err().unwrap();
        assert_eq!(error.to_string(), "new-mcp has no entry in xtask/src/up.rs");
    }

    #[test]
    fn shows_settings_that_start_the_server() {
        let [introduction, ..] = INTRODUCTIONS else {
            panic!("no server is introduced")
        };
        let text = welcome(introduction, Path::new("/bin/server"));
        assert!(text.contains(r#""omnipotent":{"#), "{text}");
        assert!(text.contains(r#""command":"/bin/server""#), "{text}");
    }
}
