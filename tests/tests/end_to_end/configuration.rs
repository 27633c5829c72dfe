//! The command line and the configuration: what is wrong is named before anything is served.

use mcp_tests::{Ended, Era, Peer, Setup};
use serde_json::{Value, json};

/// Exit code of a configuration that cannot be used (sysexits.h, `EX_CONFIG`).
const EX_CONFIG: Ended = Ended::Exited(78);

/// Runs a server that must not start; its standard error must name `named` and where it is.
fn check(setup: Setup, named: &[&str]) {
    let (ended, output, errors) = setup.run();
    assert_eq!((ended, output.as_str()), (EX_CONFIG, ""), "{errors}");
    for part in named {
        assert!(errors.contains(part), "`{part}` is not named in: {errors}");
    }
    assert!(errors.lines().count() <= 8, "{errors}");
}

#[test]
fn an_unknown_key_is_named_with_its_place() {
    let file = |text: &str| Setup::default().configuration(text);
    check(
        file("[files]\nrotos = []\n"),
        &["config.toml", "files", "rotos"],
    );
    check(file("[fiels]\n"), &["config.toml", "fiels"]);
    check(
        file("[egress.breaker]\nx = 1\n"),
        &["config.toml", "egress.breaker", "`x`"],
    );
    let variable = |name: &str| Setup::default().variable(name, "5");
    check(
        variable("OMNIPOTENT_RATE__REQEUSTS"),
        &["$OMNIPOTENT_RATE__REQEUSTS", "reqeusts"],
    );
    check(
        variable("OMNIPOTENT_RAET__REQUESTS"),
        &["$OMNIPOTENT_RAET__REQUESTS", "raet"],
    );
}

#[test]
fn a_value_that_does_not_fit_is_named_with_its_place() {
    let file = |text: &str| Setup::default().configuration(text);
    check(
        file("[rate]\nrequests = 0\n"),
        &["config.toml", "rate.requests"],
    );
    check(
        file("[rate]\nper = \"soon\"\n"),
        &["config.toml", "rate.per"],
    );
    check(file("[rate\n"), &["config.toml", "TOML"]);
    check(
        Setup::default().variable("OMNIPOTENT_LOG__LEVEL", "loud"),
        &["$OMNIPOTENT_LOG__LEVEL", "log.level", "loud"],
    );
    check(
        Setup::default().arguments(&["--log", "loud"]),
        &["--log", "log.level", "loud"],
    );
    check(
        Setup::bare().arguments(&["--config", "/no/such/file"]),
        &["/no/such/file"],
    );
}

#[test]
fn a_bound_of_nothing_is_refused() {
    for (section, key) in [
        ("transport", "max_message_bytes"),
        ("http", "max_connections"),
        ("calls", "max_in_flight"),
    ] {
        check(
            Setup::default().configuration(&format!("[{section}]\n{key} = 0\n")),
            &["config.toml", &format!("{section}.{key}")],
        );
    }
}

#[test]
fn an_empty_variable_is_not_set() {
    let mut server = Setup::default()
        .variable("OMNIPOTENT_CONFIG", "")
        .variable("OMNIPOTENT_HTTP__LISTEN", "")
        .variable("OMNIPOTENT_LOG__LEVEL", "")
        .stdio(Era::Modern);
    server.assert_alive();
}

#[test]
fn an_unknown_flag_is_a_usage_error_that_names_it() {
    let (ended, output, errors) = Setup::default().arguments(&["--no-such-flag"]).run();
    assert_eq!((ended, output.as_str()), (Ended::Exited(2), ""));
    assert!(errors.contains("--no-such-flag"), "{errors}");
}

#[test]
fn layers_are_read_in_their_order_and_told_apart() {
    let setup = Setup::default()
        .configuration("[rate]\nrequests = 7\n[log]\nlevel = \"error\"\n")
        .variable("OMNIPOTENT_RATE__REQUESTS", "8")
        .variable("OMNIPOTENT_RATE__PER", "2m")
        .arguments(&["--log", "debug", "--print-config"]);
    let (ended, output, errors) = setup.run();
    assert_eq!((ended, errors.as_str()), (Ended::Exited(0), ""));
    let line = |key: &str| {
        let line = output
            .lines()
            .find(|line| line.starts_with(&format!("{key} =")));
        line.unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        line("rate.requests"),
        "rate.requests = 8 # $OMNIPOTENT_RATE__REQUESTS"
    );
    assert_eq!(
        line("rate.per"),
        "rate.per = \"2m\" # $OMNIPOTENT_RATE__PER"
    );
    assert_eq!(line("log.level"), "log.level = \"debug\" # --log");
    assert_eq!(line("log.format"), "log.format = \"text\" # default");
    assert!(
        line("files.roots").ends_with("# --root"),
        "{}",
        line("files.roots")
    );
}

#[test]
fn a_printed_configuration_is_a_configuration_file() {
    let first = Setup::default().arguments(&["--http", "127.0.0.1:0", "--print-config"]);
    let (_, printed, _) = first.run();
    let again = Setup::bare()
        .configuration(&printed)
        .arguments(&["--print-config"]);
    let (ended, reprinted, errors) = again.run();
    assert_eq!((ended, errors.as_str()), (Ended::Exited(0), ""));
    assert_eq!(values(&reprinted), values(&printed));
    let effective: Vec<_> = reprinted
        .lines()
        .filter(|line| line.ends_with("# default"))
        .collect();
    assert_eq!(
        effective,
        Vec::<&str>::new(),
        "a printed file says everything"
    );
}

/// The lines of a printed configuration without where their values came from.
fn values(printed: &str) -> Vec<String> {
    let value = |line: &str| {
        line.rsplit_once("  # ")
            .map_or(line, |(value, _)| value)
            .trim()
            .to_owned()
    };
    // The version of the policy is that of where the server was started, too.
    let settings = printed.lines().filter(|line| !line.starts_with('#'));
    settings.map(value).collect()
}

#[test]
fn the_file_in_the_users_configuration_directory_is_read() {
    let setup = Setup::default();
    setup.stage.directory("home/config/omnipotent-mcp");
    setup.stage.file(
        "home/config/omnipotent-mcp/config.toml",
        "[rate]\nrequests = 1\n",
    );
    let mut server = setup.stdio(Era::Modern);
    server.assert_alive();
    assert_eq!(
        server.refused("health_check", json!({}))["code"],
        "rate_limited"
    );
}

#[test]
fn check_says_whether_the_server_could_start() {
    let (ended, output, errors) = Setup::default().arguments(&["--check"]).run();
    assert_eq!((ended, errors.as_str()), (Ended::Exited(0), ""));
    let tier = "commands run in the sandbox tier `strict`";
    assert_eq!(output, format!("the configuration is valid\n{tier}\n"));
    let missing = Setup::bare().arguments(&["--root", "/no/such/root", "--check"]);
    let (ended, output, errors) = missing.run();
    assert_ne!(ended, Ended::Exited(0));
    assert_eq!(output, "");
    assert!(errors.contains("/no/such/root"), "{errors}");
}

#[test]
fn help_fits_a_screen_and_shows_examples() {
    let (ended, help, errors) = Setup::bare().arguments(&["--help"]).run();
    assert_eq!((ended, errors.as_str()), (Ended::Exited(0), ""));
    assert!(help.lines().count() <= 50, "{} lines", help.lines().count());
    assert!(
        help.contains("Examples:") && help.contains("claude mcp add"),
        "{help}"
    );
}

#[test]
fn without_a_root_file_calls_say_how_to_configure_one() {
    let setup = Setup::bare();
    let home = setup.stage.root();
    let mut server = setup
        .variable("HOME", home.to_str().unwrap())
        .stdio(Era::Modern);
    let refusal = server.refused("read_file_secure", json!({ "path": "x" }));
    assert_eq!(refusal["code"], "path_denied");
    assert!(
        refusal["hint"].as_str().unwrap().contains("--root"),
        "{refusal}"
    );
}

#[test]
fn the_working_directory_is_the_root_when_none_is_configured() {
    let setup = Setup::bare();
    setup.stage.file("root/here.txt", "found\n");
    let mut server = setup.stdio(Era::Modern);
    let page = server.succeed("read_file_secure", json!({ "path": "here.txt" }));
    assert_eq!(page["content"], "found\n");
}

#[test]
fn the_version_is_told() {
    let (ended, output, _) = Setup::bare().arguments(&["--version"]).run();
    assert_eq!(ended, Ended::Exited(0));
    assert_eq!(
        output,
        format!("omnipotent-mcp {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn the_shipped_client_settings_start_a_server() {
    let settings: Value =
        serde_json::from_str(include_str!("../../../deploy/claude/stdio.json")).unwrap();
    let entry = &settings["mcpServers"]["omnipotent"];
    assert_eq!(entry["command"], "omnipotent-mcp");
    let arguments: Vec<&str> = entry["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    let mut server = Setup::bare().arguments(&arguments).stdio(Era::Modern);
    server.assert_alive();
}

#[test]
fn packagers_are_given_completions_and_a_manual() {
    for shell in ["bash", "zsh", "fish"] {
        let (ended, script, _) = Setup::bare().arguments(&["completions", shell]).run();
        assert_eq!(ended, Ended::Exited(0), "{shell}");
        assert!(script.contains("read-only-root"), "{shell}: {script}");
    }
    let place = Setup::bare().stage;
    let directory = place.directory("man");
    let (ended, _, errors) = Setup::bare()
        .arguments(&["manual", directory.to_str().unwrap()])
        .run();
    assert_eq!((ended, errors.as_str()), (Ended::Exited(0), ""));
    for (page, expected) in [
        ("omnipotent-mcp.1", "omnipotent\\-mcp\\-attach(1)"),
        ("omnipotent-mcp-attach.1", "standard input and output"),
        ("omnipotent-mcp-audit-verify.1", "expect\\-hash"),
    ] {
        let text = std::fs::read_to_string(directory.join(page)).unwrap();
        assert!(text.contains(expected), "{page}: {text}");
    }
}
