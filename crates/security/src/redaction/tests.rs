//! What is cut out of a text and what is made visible.

use super::*;

fn redactor(secrets: &[(&str, &str)]) -> Redactor {
    Redactor::build(secrets.iter().map(|&(name, value)| Secret {
        name: name.to_owned(),
        value: value.into(),
    }))
}

#[test]
fn replaces_control_characters_with_pictures() {
    let check = |text: &str, cleaned: &str| {
        assert_eq!(Redactor::default().clean(text), cleaned, "{text:?}");
    };
    check("", "");
    check("tab\tline\ncr\r\n", "tab\tline\ncr\r\n");
    check("\u{1b}]0;title\u{7}", "␛]0;title␇");
    check("\0\u{8}\u{b}\u{c}\u{e}\u{1f}", "␀␈␋␌␎␟");
    check("del\u{7f}", "del␡");
    check("c1\u{80}\u{9b}31m\u{9f}", "c1\u{fffd}\u{fffd}31m\u{fffd}");
    check("é©\u{a0}Ā日本", "é©\u{a0}Ā日本");
}

#[test]
fn replaces_secrets_with_their_names() {
    let known = redactor(&[
        ("SHORT", "1234567"),
        ("TOKEN", "tok-12345678"),
        ("LONGER", "tok-12345678-and-more"),
        ("LEFT", "aaaabbbb"),
        ("RIGHT", "bbbbcccc"),
        ("LABEL", "redacted"),
    ]);
    let check = |text: &str, cleaned: &str| assert_eq!(known.clean(text), cleaned, "{text:?}");
    check("1234567", "1234567");
    check("tok-12345678", "[redacted:TOKEN]");
    check(
        "é tok-12345678\u{1b}tok-12345678é",
        "é [redacted:TOKEN]␛[redacted:TOKEN]é",
    );
    check("tok-12345678-and-more", "[redacted:LONGER]");
    check("xaaaabbbbccccx", "x[redacted:LEFT]x");
    check("tok-12345678 redacted", "[redacted:TOKEN] [redacted:LABEL]");
}

#[test]
fn borrows_text_that_needs_no_change() {
    let known = redactor(&[("TOKEN", "tok-12345678")]);
    assert!(matches!(
        known.clean("plain ©\u{a0}text\n"),
        Cow::Borrowed(_)
    ));
}

#[test]
fn never_shows_a_value_in_debug() {
    assert!(!format!("{:?}", redactor(&[("TOKEN", "tok-12345678")])).contains("12345678"));
}

#[test]
fn picks_secrets_by_name() {
    let check = |name: &str, value: &str, picked: Option<&str>| {
        let secrets = secrets_in_environment(&[(name.into(), value.into())]);
        let values: Vec<&str> = secrets.iter().map(|secret| secret.value.expose()).collect();
        assert_eq!(values.first().copied(), picked, "{name}");
    };
    check("GITHUB_TOKEN", "ghp_abcdefgh", Some("ghp_abcdefgh"));
    check(
        "aws_secret_access_key",
        "/wJalrXUtnFEMI/K7",
        Some("/wJalrXUtnFEMI/K7"),
    );
    check("PGPASSWORD", "correct horse", Some("correct horse"));
    check("OPENAI_API_KEY", "sk-12345678", Some("sk-12345678"));
    check("GITHUB_TOKEN", "short", None);
    check(
        "GOOGLE_APPLICATION_CREDENTIALS",
        "/etc/keys/service.json",
        None,
    );
    check("DB_PASSWORD_FILE", "/run/secrets/db", None);
    check("MAX_OUTPUT_TOKENS", "100000000", None);
    check("PATH", "/usr/bin:/bin:/usr/local/bin", None);
    check(
        "DATABASE_URL",
        "postgres://app:hunter2hunter2@db/app",
        Some("hunter2hunter2"),
    );
    check("PROXY", "http://proxy.example:3128/a@b:c", None);
}
