//! Layering, origins and mistakes.

use serde::Deserialize;

use super::*;

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Config {
    name: String,
    limits: Limits,
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<u32>,
    api_key: String,
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    requests: u32,
    roots: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "a".into(),
            limits: Limits::default(),
            burst: None,
            api_key: "s3cret".into(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: 100,
            roots: vec![],
        }
    }
}

fn sources(file: &str, environment: &[(&str, &str)]) -> Sources {
    Sources {
        file: (!file.is_empty()).then(|| ("c.toml".to_owned(), file.to_owned())),
        prefix: "T_",
        environment: environment
            .iter()
            .map(|(k, v)| (k.into(), v.into()))
            .collect(),
        flags: vec![],
    }
}

#[test]
fn later_layers_win_and_say_so() {
    let mut sources = sources(
        "name = \"file\"\n[limits]\nrequests = 1\nroots = [\"/a\"]",
        &[
            ("T_LIMITS__REQUESTS", "2"),
            ("T_NAME", "12"),
            ("T_BURST", "7"),
            ("OTHER", "x"),
        ],
    );
    sources
        .flags
        .push(("--requests", "limits.requests", Value::Integer(3)));
    let loaded = load::<Config>(&sources).unwrap();
    assert_eq!(
        loaded.config.limits,
        Limits {
            requests: 3,
            roots: vec!["/a".into()]
        }
    );
    assert_eq!(
        (loaded.config.name.as_str(), loaded.config.burst),
        ("12", Some(7))
    );
    let expected = "\
api_key = \"[masked]\"     # default
burst = 7                # $T_BURST
limits.requests = 3      # --requests
limits.roots = [\"/a\"]    # c.toml
name = \"12\"              # $T_NAME
";
    let mut lines: Vec<_> = loaded.print().unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeeze(&lines.join("\n")), squeeze(expected));
}

#[test]
fn a_list_in_a_variable_is_toml_or_has_commas() {
    for text in ["[\"/a\", \"/b\"]", "/a,/b", " /a , /b,"] {
        let loaded = load::<Config>(&sources("", &[("T_LIMITS__ROOTS", text)])).unwrap();
        assert_eq!(loaded.config.limits.roots, ["/a", "/b"], "{text}");
    }
}

#[test]
fn an_empty_variable_is_not_set() {
    let empty = [("T_NAME", ""), ("T_BURST", ""), ("T_LIMITS__REQUESTS", "")];
    let loaded = load::<Config>(&sources("name = \"file\"", &empty)).unwrap();
    assert_eq!(
        (loaded.config.name.as_str(), loaded.config.burst),
        ("file", None)
    );
    assert_eq!(loaded.config.limits, Limits::default());
}

#[test]
fn what_is_printed_can_be_read_back() {
    let loaded = load::<Config>(&sources("[limits]\nrequests = 9", &[])).unwrap();
    let text = loaded.print().unwrap().replace("[masked]", "s3cret");
    let again = load::<Config>(&sources(&text, &[])).unwrap();
    assert_eq!(again.config, loaded.config);
}

#[track_caller]
fn check_refused(file: &str, environment: &[(&str, &str)], parts: &[&str]) {
    let error = load::<Config>(&sources(file, environment))
        .unwrap_err()
        .to_string();
    for part in parts {
        assert!(error.contains(part), "{error:?} lacks {part:?}");
    }
}

#[test]
fn mistakes_name_their_layer_and_key() {
    check_refused("colour = 1", &[], &["c.toml", "colour"]);
    check_refused(
        "[limits]\nrequests = \"x\"",
        &[],
        &["c.toml", "limits.requests"],
    );
    check_refused(
        "",
        &[("T_LIMITS__COLOUR", "1")],
        &["$T_LIMITS__COLOUR", "colour"],
    );
    check_refused(
        "",
        &[("T_LIMITS__REQUESTS", "many")],
        &["$T_LIMITS__REQUESTS", "many"],
    );
    check_refused("name = ", &[], &["c.toml is not valid TOML"]);
}

#[test]
fn a_mistake_names_its_layer_among_others_and_is_not_hidden_by_them() {
    let good = [("T_NAME", "n"), ("T_BURST", "7")];
    check_refused("colour = 1", &good, &["c.toml", "colour"]);
    let bad = [("T_NAME", "n"), ("T_BURST", "x"), ("T_API_KEY", "k")];
    check_refused("[limits]\nrequests = 1", &bad, &["$T_BURST", "burst"]);
    let corrected = [("T_LIMITS__REQUESTS", "2")];
    check_refused("[limits]\nrequests = \"x\"", &corrected, &["c.toml"]);
    check_refused("limits = 1", &corrected, &["c.toml", "limits"]);
}
