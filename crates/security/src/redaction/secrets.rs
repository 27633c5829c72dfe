//! Picks the secrets out of an environment by the names people give them.

use std::ffi::OsString;

use super::{SHORTEST_SECRET_BYTES, Secret};

/// Parts of a name that say its value is a secret.
const MARKS: [&str; 14] = [
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "ENCRYPTION_KEY",
    "SIGNING_KEY",
    "AUTH_KEY",
    "CREDENTIAL",
    "WEBHOOK_URL",
];

/// Ends of a name that say its value only tells where or how to get a secret.
const REFERENCES: [&str; 10] = [
    "_FILE", "_PATH", "_DIR", "_HELPER", "_COMMAND", "_CMD", "_ID", "_NAME", "_TTL", "_EXPIRY",
];

/// The secrets of an environment: values of names such as `GITHUB_TOKEN`, and the password of a
/// URL that carries one. Values that are not UTF-8 are skipped: a reply cannot hold them.
pub fn secrets_in_environment(environment: &[(OsString, OsString)]) -> Vec<Secret> {
    environment
        .iter()
        .filter_map(|(name, value)| secret(&name.to_string_lossy(), value.to_str()?))
        .collect()
}

fn secret(name: &str, value: &str) -> Option<Secret> {
    let value = if names_a_secret(name) && !is_harmless(value) {
        value
    } else {
        password_of_url(value)?
    };
    let long_enough = value.len() >= SHORTEST_SECRET_BYTES;
    long_enough.then(|| Secret {
        name: name.to_owned(),
        value: value.into(),
    })
}

/// Whether a variable of that name holds a secret.
pub(super) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    // Every variable is asked about at every start, and most hold none of the marks.
    if !holds_a_mark(&name) {
        return false;
    }
    // `MAX_TOKENS` counts and `TOKENIZERS_PARALLELISM` configures.
    let name = name.replace("TOKENS", "").replace("TOKENIZER", "");
    holds_a_mark(&name) && !REFERENCES.iter().any(|suffix| name.ends_with(suffix))
}

fn holds_a_mark(name: &str) -> bool {
    let mut rests = (0..name.len()).filter_map(|start| name.as_bytes().get(start..));
    rests.any(|rest| MARKS.iter().any(|mark| rest.starts_with(mark.as_bytes())))
}

/// A directory or file by its full name, as in `GOOGLE_APPLICATION_CREDENTIALS=/etc/key.json`.
/// A lone `/` in front is not enough: base64 has it too.
fn is_harmless(value: &str) -> bool {
    [
        "/home/", "/etc/", "/run/", "/var/", "/root/", "/tmp/", "/opt/", "/usr/", "/mnt/",
    ]
    .iter()
    .any(|root| value.starts_with(root))
}

/// The password in `scheme://user:password@host` (RFC 3986, section 3.2.1).
fn password_of_url(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    Some(password)
}
