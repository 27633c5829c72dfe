//! Which package may use which. Layers are drawn in ARCHITECTURE.md; here is the same as data.

use super::Fault;
use crate::workspace::Member;

/// What each shared crate may use of the others. A crate that is not listed has no place yet.
const CRATES: &[(&str, &[&str])] = &[
    ("mcp-audit", &["mcp-metrics"]),
    ("mcp-cache", &["mcp-metrics"]),
    ("mcp-egress", &["mcp-cache", "mcp-metrics", "mcp-security"]),
    ("mcp-embedding", &[]),
    ("mcp-metrics", &[]),
    ("mcp-ratelimit", &[]),
    ("mcp-sandbox", &[]),
    ("mcp-security", &[]),
    ("mcp-serve", &["mcp-metrics", "mcp-toolcall"]),
    (
        "mcp-toolcall",
        &[
            "mcp-audit",
            "mcp-cache",
            "mcp-metrics",
            "mcp-ratelimit",
            "mcp-security",
        ],
    ),
];

/// Packages from outside that stay behind one door: who may name them. `servers` stands for
/// every package under `servers/`.
const DOORS: &[(&str, &[&str])] = &[
    ("anyhow", &["mcp-tests", "servers", "xtask"]),
    ("axum", &["mcp-serve", "mcp-tests"]),
    ("governor", &["mcp-ratelimit"]),
    ("metrics", &["mcp-metrics"]),
    ("metrics-exporter-prometheus", &["mcp-metrics"]),
    ("moka", &["mcp-cache"]),
    ("opentelemetry", &["mcp-serve"]),
    ("opentelemetry-proto", &["mcp-serve", "mcp-tests"]),
    ("opentelemetry_sdk", &["mcp-serve"]),
    ("prost", &["mcp-serve", "mcp-tests"]),
    ("reqwest", &["mcp-egress", "mcp-tests"]),
    ("rmcp", &["mcp-fuzz", "mcp-serve", "mcp-tests"]),
    ("sqlx", &["a2a-unified-mcp"]),
    ("tracing-opentelemetry", &["mcp-serve"]),
];

/// Every edge that is not drawn.
pub(super) fn faults(members: &[Member]) -> Vec<Fault> {
    members
        .iter()
        .flat_map(|member| inner_edges(member, members).chain(outer_edges(member)))
        .collect()
}

fn inner_edges<'a>(member: &'a Member, members: &'a [Member]) -> impl Iterator<Item = Fault> + 'a {
    let is_member = |name: &&String| members.iter().any(|other| other.name == **name);
    let unplaced = role(member) == Role::Unplaced;
    let unplaced = unplaced.then(|| fault(member, "has no place in xtask/src/tidy/layers.rs"));
    let edges = member.dependencies.iter().filter(is_member);
    let edges = edges.filter(|name| !may_use(member, name));
    unplaced
        .into_iter()
        .chain(edges.map(|name| fault(member, format!("must not use {name}"))))
}

fn outer_edges(member: &Member) -> impl Iterator<Item = Fault> {
    let closed = DOORS.iter().filter(|(_, users)| {
        let server = role(member) == Role::Server && users.contains(&"servers");
        !server && !users.contains(&member.name.as_str())
    });
    closed
        .filter(|(package, _)| member.dependencies.iter().any(|name| name == package))
        .map(|(package, users)| {
            fault(
                member,
                format!("must not name {package}: that is for {}", users.join(", ")),
            )
        })
}

#[derive(PartialEq, Eq)]
enum Role {
    /// May use these crates.
    Crate(&'static [&'static str]),
    /// May use every crate and no other server.
    Server,
    /// May use everything.
    Tests,
    /// Builds before, and without, the rest, but for the crate that makes the model.
    Xtask,
    Unplaced,
}

fn role(member: &Member) -> Role {
    let name = member.name.as_str();
    match name {
        "xtask" => Role::Xtask,
        "mcp-tests" | "mcp-fuzz" => Role::Tests,
        _ if member.directory.starts_with("servers/") => Role::Server,
        _ => {
            let listed = CRATES.iter().find(|(listed, _)| *listed == name);
            listed.map_or(Role::Unplaced, |(_, uses)| Role::Crate(uses))
        }
    }
}

fn may_use(member: &Member, name: &str) -> bool {
    match role(member) {
        Role::Crate(uses) => uses.contains(&name) || name == member.name,
        Role::Server => CRATES.iter().any(|(listed, _)| *listed == name) || name == member.name,
        Role::Tests => true,
        Role::Xtask => name == "mcp-embedding",
        Role::Unplaced => false,
    }
}

fn fault(member: &Member, message: impl Into<String>) -> Fault {
    Fault::in_file(&format!("{}/Cargo.toml", member.directory), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, directory: &str, dependencies: &[&str]) -> Member {
        Member {
            name: name.to_owned(),
            directory: directory.to_owned(),
            dependencies: dependencies.iter().map(ToString::to_string).collect(),
        }
    }

    #[track_caller]
    fn check(name: &str, directory: &str, dependencies: &[&str], expected: &[&str]) {
        let members = [
            member(name, directory, dependencies),
            member("mcp-embedding", "crates/embedding", &[]),
            member("mcp-metrics", "crates/metrics", &[]),
            member("mcp-serve", "crates/serve", &[]),
            member("mcp-security", "crates/security", &[]),
            member("other-mcp", "servers/other-mcp", &[]),
        ];
        let found: Vec<String> = faults(&members)
            .into_iter()
            .map(|fault| fault.message)
            .collect();
        assert_eq!(found, expected, "{name} uses {dependencies:?}");
    }

    #[test]
    fn allows_the_edges_that_are_drawn_and_no_other() {
        check(
            "mcp-egress",
            "crates/egress",
            &["mcp-security", "reqwest", "serde"],
            &[],
        );
        check(
            "mcp-egress",
            "crates/egress",
            &["mcp-serve"],
            &["must not use mcp-serve"],
        );
        check(
            "mcp-cache",
            "crates/cache",
            &["mcp-security"],
            &["must not use mcp-security"],
        );
        check(
            "a-mcp",
            "servers/a-mcp",
            &["mcp-security", "mcp-serve", "anyhow"],
            &[],
        );
        check(
            "a-mcp",
            "servers/a-mcp",
            &["other-mcp"],
            &["must not use other-mcp"],
        );
        check(
            "mcp-tests",
            "tests",
            &["other-mcp", "mcp-serve", "rmcp", "anyhow"],
            &[],
        );
        check("xtask", "xtask", &["mcp-embedding"], &[]);
        check(
            "mcp-serve",
            "crates/serve",
            &["mcp-embedding"],
            &["must not use mcp-embedding"],
        );
        check(
            "xtask",
            "xtask",
            &["mcp-metrics"],
            &["must not use mcp-metrics"],
        );
    }

    #[test]
    fn keeps_packages_behind_their_door() {
        let rmcp = "must not name rmcp: that is for mcp-fuzz, mcp-serve, mcp-tests";
        check("mcp-toolcall", "crates/toolcall", &["rmcp"], &[rmcp]);
        check("a-mcp", "servers/a-mcp", &["rmcp"], &[rmcp]);
        let anyhow = "must not name anyhow: that is for mcp-tests, servers, xtask";
        check("mcp-cache", "crates/cache", &["anyhow"], &[anyhow]);
    }

    #[test]
    fn asks_where_a_new_crate_belongs() {
        check(
            "mcp-new",
            "crates/new",
            &[],
            &["has no place in xtask/src/tidy/layers.rs"],
        );
    }
}
