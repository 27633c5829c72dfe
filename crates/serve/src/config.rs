//! Layered configuration: defaults, then a TOML file, then the environment, then flags.
//!
//! A mistake is reported with the layer it came from. Nothing is read here: the caller hands in the
//! file's text and a snapshot of the environment.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;
use std::{fmt, io};

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// What the layers come from.
#[derive(Debug, Default)]
pub struct Sources {
    /// The file's path, for messages, and its text.
    pub file: Option<(String, String)>,
    /// Prefix of the variables that matter, e.g. `OMNIPOTENT_`.
    pub prefix: &'static str,
    /// A snapshot of the environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Dotted keys and values from the command line, with the flag's name.
    pub flags: Vec<Setting>,
}

/// A flag's name, the dotted key it stands for, and its value.
pub type Setting = (&'static str, &'static str, Value);

/// A configuration and where each of its values came from.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The configuration.
    pub config: T,
    settings: Vec<(String, Origin)>,
    /// None when nothing but defaults is in force.
    effective: Option<Table>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The program.
    Default,
    /// The configuration file.
    File(String),
    /// An environment variable.
    Environment(String),
    /// A command-line flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{path}"),
            Self::Environment(name) => write!(f, "${name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{path} is not valid TOML")]
    Syntax {
        /// The file.
        path: String,
        /// Where and why.
        source: toml::de::Error,
    },
    /// The file is empty: it is being written, or was lost.
    #[error("{path} is empty; remove it, or write a comment into it, to use the defaults")]
    Empty {
        /// The file.
        path: String,
    },
    /// A layer has a key or a value that does not fit.
    #[error("{origin}: {problem}")]
    Invalid {
        /// The layer.
        origin: Origin,
        /// Key and reason.
        problem: String,
    },
    /// The defaults cannot be written as TOML, which is a fault of the program.
    #[error("the default configuration cannot be written")]
    Defaults(#[source] toml::ser::Error),
}

/// Merges the layers into a configuration, whose top level has to have `#[serde(default)]`.
///
/// # Errors
/// An unknown key or a value that does not fit, naming the layer it is in.
pub fn load<T>(sources: &Sources) -> Result<Loaded<T>, ConfigError>
where
    T: Serialize + DeserializeOwned + Default,
{
    let mut layers = Layers::<T>::new();
    if let Some((path, text)) = &sources.file {
        if text.trim().is_empty() {
            return Err(ConfigError::Empty { path: path.clone() });
        }
        let table: Table = text.parse().map_err(|source| ConfigError::Syntax {
            path: path.clone(),
            source,
        })?;
        layers.merge(table, Origin::File(path.clone()))?;
    }
    for (name, value) in &sources.environment {
        let Some(key) = name
            .to_str()
            .and_then(|name| name.strip_prefix(sources.prefix))
        else {
            continue;
        };
        let origin = Origin::Environment(format!("{}{key}", sources.prefix));
        // What a shell or a compose file leaves empty is not set.
        if value.is_empty() {
            continue;
        }
        let Some(value) = value.to_str() else {
            let problem = "the value is not valid UTF-8".to_owned();
            return Err(ConfigError::Invalid { origin, problem });
        };
        let path: Vec<String> = key.split("__").map(str::to_ascii_lowercase).collect();
        let value = typed(value, lookup(layers.effective()?, &path));
        layers.merge(nested(&path, value), origin)?;
    }
    for (flag, key, value) in &sources.flags {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        layers.merge(nested(&path, value.clone()), Origin::Flag(flag))?;
    }
    layers.finish()
}

struct Layers<T> {
    defaults: T,
    /// The defaults and what was merged into them; nothing was while it is none.
    effective: Option<Table>,
    origins: Vec<(String, Origin)>,
    merged: Vec<(Table, Origin)>,
    /// Whether a layer sets what one before it set, and so could hide its mistake.
    overlap: bool,
}

impl<T: Serialize + DeserializeOwned + Default> Layers<T> {
    fn new() -> Self {
        Self {
            defaults: T::default(),
            effective: None,
            origins: Vec::new(),
            merged: Vec::new(),
            overlap: false,
        }
    }

    fn effective(&mut self) -> Result<&mut Table, ConfigError> {
        Ok(match &mut self.effective {
            Some(effective) => effective,
            none => none.insert(table(&self.defaults)?),
        })
    }

    fn merge(&mut self, layer: Table, origin: Origin) -> Result<(), ConfigError> {
        let before = self.origins.len();
        leaves(&layer, "", &mut |key, _| {
            let mut earlier = self.origins.iter().take(before);
            self.overlap |= earlier.any(|(set, _)| covers(set, &key) || covers(&key, set));
            self.origins.push((key, origin.clone()));
        });
        overlay(self.effective()?, layer.clone());
        self.merged.push((layer, origin));
        Ok(())
    }

    /// Reads all layers at once. Only where that could not say which of them is wrong, one is merged
    /// after the other.
    fn finish(self) -> Result<Loaded<T>, ConfigError> {
        let layers = &*self.merged;
        let config = match &self.effective {
            None => self.defaults,
            Some(_) if self.overlap => one_by_one(layers)?,
            Some(effective) => match parse(effective, layers) {
                Ok(config) => config,
                Err(_) => one_by_one(layers)?,
            },
        };
        Ok(Loaded {
            config,
            settings: self.origins,
            effective: self.effective,
        })
    }
}

fn one_by_one<T>(layers: &[(Table, Origin)]) -> Result<T, ConfigError>
where
    T: Serialize + DeserializeOwned + Default,
{
    let mut config = T::default();
    let mut effective = table(&config)?;
    for (done, (layer, origin)) in (1..).zip(layers) {
        overlay(&mut effective, layer.clone());
        let merged = layers.get(..done).unwrap_or(layers);
        config = parse(&effective, merged).map_err(|problem| ConfigError::Invalid {
            origin: origin.clone(),
            problem,
        })?;
    }
    Ok(config)
}

fn table(config: &impl Serialize) -> Result<Table, ConfigError> {
    Table::try_from(config).map_err(ConfigError::Defaults)
}

/// Reads the sections that `layers` are about; the others are defaults.
fn parse<T: DeserializeOwned>(effective: &Table, layers: &[(Table, Origin)]) -> Result<T, String> {
    let names = layers.iter().flat_map(|(layer, _)| layer.keys());
    let sections: Table = names
        .filter_map(|name| Some((name.clone(), effective.get(name)?.clone())))
        .collect();
    serde_path_to_error::deserialize(Value::Table(sections)).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner().to_string().trim_end().replace('\n', " ");
        if reason.contains(&path) {
            reason
        } else {
            format!("{path}: {reason}")
        }
    })
}

impl<T: Serialize> Loaded<T> {
    /// The effective configuration as TOML, each value with where it came from; what holds a
    /// secret is masked.
    ///
    /// # Errors
    /// When it cannot be written as TOML, which is a fault of the program.
    pub fn print(&self) -> Result<String, ConfigError> {
        let effective = match &self.effective {
            Some(effective) => Cow::Borrowed(effective),
            None => Cow::Owned(table(&self.config)?),
        };
        let mut lines = Vec::new();
        leaves(&effective, "", &mut |key, value| {
            let shown = if is_secret(&key) {
                "\"[masked]\"".to_owned()
            } else {
                value.to_string()
            };
            lines.push((format!("{key} = {shown}"), self.origin(&key)));
        });
        let width = lines
            .iter()
            .map(|(line, _)| line.chars().count())
            .max()
            .unwrap_or(0)
            .min(60);
        let line = |(line, origin)| format!("{line:<width$}  # {origin}\n");
        Ok(lines.into_iter().map(line).collect())
    }

    fn origin(&self, key: &str) -> &Origin {
        let last = self.settings.iter().rev().find(|(set, _)| covers(set, key));
        last.map_or(&Origin::Default, |(_, origin)| origin)
    }
}

/// Whether what is set as `set` is, or holds, what `key` names.
fn covers(set: &str, key: &str) -> bool {
    key.strip_prefix(set)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a key's value is a secret itself; a file's name is not.
fn is_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    ["token", "secret", "password", "api_key"]
        .iter()
        .any(|part| name.ends_with(part))
}

fn leaves(table: &Table, prefix: &str, visit: &mut impl FnMut(String, &Value)) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Table(inner) if !inner.is_empty() => leaves(inner, &key, visit),
            Value::Table(_)
            | Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => visit(key, value),
        }
    }
}

fn overlay(base: &mut Table, layer: Table) {
    for (name, value) in layer {
        match (base.get_mut(&name), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => overlay(inner, value),
            (_, value) => {
                base.insert(name, value);
            }
        }
    }
}

fn lookup<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (last, parents) = path.split_last()?;
    let inner = parents
        .iter()
        .try_fold(table, |table, name| table.get(name)?.as_table())?;
    inner.get(last)
}

fn nested(path: &[String], value: Value) -> Table {
    let Some((first, rest)) = path.split_first() else {
        return Table::new();
    };
    let value = if rest.is_empty() {
        value
    } else {
        Value::Table(nested(rest, value))
    };
    Table::from_iter([(first.clone(), value)])
}

/// A variable's text as the type that its default has: text stays text, a list may be written
/// with commas, anything else is read as TOML; what is not TOML is taken for text.
fn typed(text: &str, default: Option<&Value>) -> Value {
    if default.is_some_and(Value::is_str) {
        return Value::String(text.to_owned());
    }
    let parsed = format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"));
    match parsed {
        Some(value) => value,
        None if default.is_some_and(Value::is_array) => {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            Value::Array(items.map(Value::from).collect())
        }
        None => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests;
