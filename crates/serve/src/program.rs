//! What the program of every server does before it serves: finds and reads its configuration, prints
//! what was asked for instead, and says why it ends.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the operator's configuration, once"
)]

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Value;

use crate::Refusal;
use crate::config::{ConfigError, Loaded, Setting, Sources, load};

/// Exit code for a configuration that cannot be used (sysexits.h, `EX_CONFIG`).
pub const EX_CONFIG: u8 = 78;

/// Flags that every server has for how it is reached.
#[derive(Debug, Clone, Args)]
pub struct ServeFlags {
    /// Serve streamable HTTP at /mcp on this address instead of stdio [http.listen]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,

    /// Serve HTTP without a bearer token; loopback only [http.auth]
    #[arg(long)]
    no_auth: bool,

    /// Serve /metrics, /healthz and /readyz here [ops.listen]
    #[arg(long, value_name = "ADDR")]
    ops: Option<SocketAddr>,

    /// Least level of the log: off, error, warn, info, debug, trace [log.level]
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
}

impl ServeFlags {
    /// The flags that were given, as configuration keys and values.
    pub fn settings(&self) -> impl Iterator<Item = Setting> {
        let address = |address: SocketAddr| Value::from(address.to_string());
        let http = self
            .http
            .map(|http| ("--http", "http.listen", address(http)));
        let open = self
            .no_auth
            .then(|| ("--no-auth", "http.auth", Value::from(false)));
        let ops = self.ops.map(|ops| ("--ops", "ops.listen", address(ops)));
        let level = |level: &String| ("--log", "log.level", Value::from(level.as_str()));
        let log = self.log.as_ref().map(level);
        [http, open, ops, log].into_iter().flatten()
    }
}

/// A configuration, and the file that was read for it.
#[derive(Debug)]
pub struct Configured<T> {
    /// The configuration.
    pub loaded: Loaded<T>,
    /// The file, when there is one.
    pub file: Option<PathBuf>,
}

impl<T> Configured<T> {
    /// The configuration, unless the file that there was at the start is gone: defaults would be in
    /// force without it.
    ///
    /// # Errors
    /// When it is gone.
    pub fn unless_gone(self, at_start: Option<&Path>) -> Result<T, Refusal> {
        match at_start.filter(|_| self.file.is_none()) {
            Some(gone) => Err(format!("{} is gone", gone.display()).into()),
            None => Ok(self.loaded.config),
        }
    }
}

/// Reads the configuration of the server of that name: defaults, the file that is `named` (or
/// `<PREFIX>CONFIG` in the environment names, or is in the usual place), environment, flags.
///
/// # Errors
/// When a named file cannot be read, and as [`load`].
pub fn configure<T>(
    server: &str,
    prefix: &'static str,
    named: Option<&Path>,
    mut environment: Vec<(OsString, OsString)>,
    flags: Vec<Setting>,
) -> Result<Configured<T>, ConfigError>
where
    T: Serialize + DeserializeOwned + Default,
{
    let variable = format!("{prefix}CONFIG");
    let in_environment = value_of(&environment, &variable).map(PathBuf::from);
    let file = match named.map(Path::to_owned).or(in_environment) {
        Some(path) => Some(read(path)?),
        None => match default_configuration(server, &environment).map(read) {
            Some(Err(ConfigError::Unreadable { source, .. }))
                if source.kind() == ErrorKind::NotFound =>
            {
                None
            }
            found => found.transpose()?,
        },
    };
    environment.retain(|(name, _)| name != variable.as_str());
    let path = file.as_ref().map(|(path, _)| path.clone());
    let loaded = load(&Sources {
        file: file.map(|(path, text)| (path.display().to_string(), text)),
        prefix,
        environment,
        flags,
    })?;
    Ok(Configured { loaded, file: path })
}

fn read(path: PathBuf) -> Result<(PathBuf, String), ConfigError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(source) => Err(ConfigError::Unreadable { path, source }),
    }
}

/// The configuration file that is read when none is named, whether or not it exists: in
/// `$XDG_CONFIG_HOME`, or `.config` in `$HOME`.
pub fn default_configuration(
    server: &str,
    environment: &[(OsString, OsString)],
) -> Option<PathBuf> {
    let directory = user_directory(environment, "XDG_CONFIG_HOME", ".config")?;
    Some(directory.join(server).join("config.toml"))
}

/// The directory that `variable` names, or `usual` in `$HOME` (XDG Base Directory Specification).
pub fn user_directory(
    environment: &[(OsString, OsString)],
    variable: &str,
    usual: &str,
) -> Option<PathBuf> {
    let named = value_of(environment, variable).map(PathBuf::from);
    named
        .filter(|path| path.is_absolute())
        .or_else(|| Some(Path::new(value_of(environment, "HOME")?).join(usual)))
}

/// A variable that is set and not empty.
fn value_of<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    let found = environment.iter().find(|(key, _)| key == name);
    found
        .map(|(_, value)| value.as_os_str())
        .filter(|value| !value.is_empty())
}

/// Prints what was asked for instead of serving; a reader may stop early, as `head` does.
///
/// # Errors
/// When standard output cannot be written to.
pub fn show(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Says why the program ends.
#[expect(
    clippy::print_stderr,
    reason = "the program ends here, with its reason"
)]
pub fn fail(server: &str, reason: impl fmt::Display, code: u8) -> ExitCode {
    eprintln!("{server}: {reason:#}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_is_where_the_environment_says() {
        let check = |variables: &[(&str, &str)], expect: Option<&str>| {
            let variables: Vec<(OsString, OsString)> = variables
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect();
            let expect = expect.map(PathBuf::from);
            let found = default_configuration("example-mcp", &variables);
            assert_eq!(found, expect, "{variables:?}");
        };
        let home = ("HOME", "/h");
        let usual = Some("/h/.config/example-mcp/config.toml");
        check(&[home], usual);
        check(&[home, ("XDG_CONFIG_HOME", "relative")], usual);
        check(&[home, ("XDG_CONFIG_HOME", "")], usual);
        let elsewhere = Some("/x/example-mcp/config.toml");
        check(&[home, ("XDG_CONFIG_HOME", "/x")], elsewhere);
        check(&[("HOME", "")], None);
    }
}
