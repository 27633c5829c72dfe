//! Which rule refused a call, and the least change of the configuration that would lift it.

use std::net::IpAddr;
use std::path::Path;

use mcp_egress::UrlRefusal;
use mcp_security::addresses::Refusal as AddressRefusal;
use mcp_security::commands::{CommandDenied, Decision, VariableDenied};
use mcp_security::environment::EnvironmentDenied;
use mcp_security::files::FileError;
use mcp_security::hosts::HostRefusal;
use mcp_security::paths::{PathError, RootConfig};
use mcp_security::processes::ProcessDenied;
use mcp_toolcall::{Change, Tool, ToolError, ToolSpec};
use serde::Serialize;

use crate::Config;
use crate::tools::commands::execute_command::ExecuteCommand;

/// The setting that opens directories.
const ROOTS: &str = "files.roots";

/// What refused a call.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Ruling {
    /// The setting it is from, and what it is called there.
    pub(super) rule: String,
    /// The least change that would lift it, as an imperative. None: no configuration allows it.
    pub(super) grant: Option<String>,
}

impl Ruling {
    fn lifted(rule: impl Into<String>, grant: String) -> Self {
        Self {
            rule: rule.into(),
            grant: Some(grant),
        }
    }

    fn fixed(rule: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            grant: None,
        }
    }
}

/// The ruling behind a refusal; none when it is no rule that refused the call.
pub(super) fn ruling(error: &ToolError, config: &Config, tool: &ToolSpec) -> Option<Ruling> {
    let cause = error.cause()?;
    if let Some(error) = cause.downcast_ref::<PathError>() {
        return of_path(error, config, tool);
    }
    if let Some(FileError::Path(error)) = cause.downcast_ref() {
        return of_path(error, config, tool);
    }
    if let Some(error) = cause.downcast_ref() {
        return of_command(error, config);
    }
    if let Some(error) = cause.downcast_ref() {
        return of_variable(error);
    }
    if let Some(EnvironmentDenied { name }) = cause.downcast_ref() {
        return Some(add(&quoted(name), "environment.readable"));
    }
    if let Some(error) = cause.downcast_ref() {
        return of_url(error, config);
    }
    cause
        .downcast_ref()
        .and_then(|error| of_process(error, config))
}

fn of_path(error: &PathError, config: &Config, tool: &ToolSpec) -> Option<Ruling> {
    match error {
        PathError::NoRoots => Some(Ruling::lifted(
            ROOTS,
            "add a directory to files.roots".to_owned(),
        )),
        PathError::Outside { path, .. } => Some(of_place(Path::new(path), config, tool)),
        PathError::ReadOnly { path } => Some(Ruling::lifted(
            ROOTS,
            format!("give the root of `{path}` the access \"read_write\" in files.roots"),
        )),
        PathError::Protected { path, rule } => Some(of_protection(path, rule, config)),
        PathError::Malformed { .. }
        | PathError::NotFound { .. }
        | PathError::WrongKind { .. }
        | PathError::NotDirectory { .. }
        | PathError::Unsettled { .. }
        | PathError::Io { .. } => None,
    }
}

/// The grant for a path outside of all roots.
fn of_place(path: &Path, config: &Config, tool: &ToolSpec) -> Ruling {
    let is_inside = |root: &RootConfig| {
        std::path::absolute(&root.path).is_ok_and(|root| path.starts_with(root))
    };
    let is_directory = tool.name == ExecuteCommand::SPEC.name;
    let place = if is_directory {
        Some(path)
    } else {
        path.parent()
    };
    let place =
        place.filter(|place| place.is_absolute() && !config.files.roots.iter().any(is_inside));
    let Some(place) = place else {
        let behind = "add the directory that it leads to, links followed, to files.roots";
        return Ruling::lifted(ROOTS, behind.to_owned());
    };
    let access = if tool.effects.change == Change::None || is_directory {
        "read_only"
    } else {
        "read_write"
    };
    let place = quoted(&place.to_string_lossy());
    let root = format!("{{ path = {place}, access = \"{access}\" }}");
    if config.files.roots.is_empty() {
        let both = "set files.roots to the working directory, which an empty list stands for, and";
        Ruling::lifted(ROOTS, format!("{both} {root}"))
    } else {
        add(&root, ROOTS)
    }
}

fn of_protection(path: &str, rule: &str, config: &Config) -> Ruling {
    let files = &config.files;
    let lists = [
        ("files.protected", &files.protected),
        ("files.extra_protected", &files.extra_protected),
    ];
    let list = lists
        .into_iter()
        .find(|(_, list)| list.iter().any(|entry| entry.path == rule));
    let Some((setting, _)) = list else {
        return Ruling::fixed(format!("the server's own files: `{rule}`"));
    };
    let rule_shown = format!("{setting}: `{rule}`");
    let name = Path::new(path)
        .file_name()
        .map(|name| name.to_string_lossy());
    match name {
        // One name is less than all that the pattern stands for.
        Some(name) if is_pattern_of(rule, &name) => Ruling {
            rule: rule_shown,
            ..add(&quoted(&name), "files.unprotected_names")
        },
        _ => Ruling {
            rule: rule_shown,
            ..remove(&quoted(rule), setting)
        },
    }
}

/// Whether `rule` is a pattern for one name, and `name` one of those.
fn is_pattern_of(rule: &str, name: &str) -> bool {
    let Some((start, end)) = rule.split_once('*') else {
        return false;
    };
    !rule.contains('/') && name.starts_with(start) && name.ends_with(end)
}

fn of_command(error: &CommandDenied, config: &Config) -> Option<Ruling> {
    let commands = &config.commands;
    match error {
        CommandDenied::Rule { rule, .. } => {
            let shown = format!("the command rule `{rule}`");
            let is_own = commands.rules.iter().any(|own| own.id == *rule);
            let ruling = if is_own {
                remove(&quoted(rule), "commands.rules")
            } else {
                add(&quoted(rule), "commands.disabled_rules")
            };
            Some(Ruling {
                rule: shown,
                ..ruling
            })
        }
        CommandDenied::Unlisted { program, .. } => {
            let name = program.rsplit('/').next().unwrap_or(program);
            let id: String = name
                .chars()
                .map(|c| c.to_ascii_lowercase())
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
                .collect();
            let program = quoted(program);
            let rule = format!(
                "{{ id = \"{id}\", decision = \"allow\", reason = \"is needed\", when = [{{ program \
                 = [{program}] }}] }}"
            );
            Some(Ruling {
                rule: format!("commands.default = \"{}\"", shown(commands.default)),
                ..add(&rule, "commands.rules")
            })
        }
        CommandDenied::Opaque { .. } if commands.default != Decision::Allow => {
            Some(Ruling::lifted(
                format!("commands.default = \"{}\"", shown(commands.default)),
                "set commands.default and commands.opaque to \"allow\"".to_owned(),
            ))
        }
        CommandDenied::Opaque { .. } => Some(Ruling::lifted(
            format!("commands.opaque = \"{}\"", shown(commands.opaque)),
            "set commands.opaque = \"allow\"".to_owned(),
        )),
        CommandDenied::Syntax { .. }
        | CommandDenied::NeedsShell { .. }
        | CommandDenied::Empty
        | CommandDenied::ZeroByte
        | CommandDenied::TooLong { .. } => None,
    }
}

fn of_variable(error: &VariableDenied) -> Option<Ruling> {
    match error {
        VariableDenied::Dangerous { .. } => Some(Ruling::fixed(
            "built in: variables that make programs run other code",
        )),
        VariableDenied::Name { .. }
        | VariableDenied::ZeroByte { .. }
        | VariableDenied::TooMany { .. }
        | VariableDenied::TooLarge { .. } => None,
    }
}

fn of_url(error: &UrlRefusal, config: &Config) -> Option<Ruling> {
    let (allow, deny) = ("egress.allow_networks", "egress.deny_networks");
    match error {
        UrlRefusal::Host { host, refusal } => Some(match refusal {
            HostRefusal::Denied(pattern) => {
                remove(&quoted(&pattern.to_string()), "egress.deny_hosts")
            }
            HostRefusal::NotAllowed => add(&quoted(host), "egress.allow_hosts"),
            HostRefusal::DeniedPort(port) => remove(&port.to_string(), "egress.deny_ports"),
            HostRefusal::Port(port) => of_port(*port, config),
        }),
        UrlRefusal::LocalName { .. } => Some(Ruling {
            rule: "built in: names of this machine".to_owned(),
            ..add("\"127.0.0.1/32\"", allow)
        }),
        UrlRefusal::Address { address, refusal } => Some(match refusal {
            AddressRefusal::DeniedNetwork(network) => remove(&quoted(&network.to_string()), deny),
            AddressRefusal::Special(_)
            | AddressRefusal::Metadata
            | AddressRefusal::OwnInterface => {
                let bits = match address {
                    IpAddr::V4(_) => 32,
                    IpAddr::V6(_) => 128,
                };
                Ruling {
                    rule: "built in: addresses that are not public".to_owned(),
                    ..add(&format!("\"{address}/{bits}\""), allow)
                }
            }
        }),
        UrlRefusal::TooLong { .. }
        | UrlRefusal::Malformed { .. }
        | UrlRefusal::Scheme { .. }
        | UrlRefusal::Credentials
        | UrlRefusal::BadHost { .. } => None,
    }
}

fn of_port(port: u16, config: &Config) -> Ruling {
    if config.egress.allow_ports.is_empty() {
        Ruling::lifted(
            "built in: ports of other protocols (the Fetch standard's bad ports)",
            format!("set egress.allow_ports to every port that is needed, {port} among them"),
        )
    } else {
        add(&port.to_string(), "egress.allow_ports")
    }
}

fn of_process(error: &ProcessDenied, config: &Config) -> Option<Ruling> {
    match error {
        ProcessDenied::Critical { name, .. } => {
            let stands_for = |entry: &&String| match entry.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                // The kernel keeps 15 bytes of a name.
                None => *entry == name || (name.len() == 15 && entry.starts_with(name)),
            };
            let entry = config.processes.critical.iter().find(stands_for);
            let entry = entry.map_or_else(|| quoted(name), |entry| quoted(entry));
            Some(remove(&entry, "processes.critical"))
        }
        ProcessDenied::Reserved { .. }
        | ProcessDenied::Myself { .. }
        | ProcessDenied::Ancestor { .. }
        | ProcessDenied::KernelThread { .. }
        | ProcessDenied::OtherUser { .. } => {
            Some(Ruling::fixed("built in: processes that are always kept"))
        }
        ProcessDenied::Missing { .. }
        | ProcessDenied::Thread { .. }
        | ProcessDenied::Unreadable { .. } => None,
    }
}

fn add(value: &str, setting: &str) -> Ruling {
    Ruling::lifted(setting, format!("add {value} to {setting}"))
}

fn remove(value: &str, setting: &str) -> Ruling {
    Ruling::lifted(setting, format!("remove {value} from {setting}"))
}

/// A basic string of TOML; its escapes are those of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn shown(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::Confirm => "confirm",
        Decision::Deny => "deny",
    }
}
