//! What a condition compares words with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::targets::{is_account_file, is_drive, is_raw_device, is_vital, tidy};
use crate::commands::script::Word;
use crate::names::matches_glob;

/// A text in which `*` stands for any run of characters, or a class of files such as
/// `<raw-device>`, also behind a fixed beginning as in `of=<raw-device>`. One that starts with `/`
/// is compared with the path that a word names, however it is spelt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Glob(String),
    Class { before: String, class: Class },
}

/// Files that rules are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The root, a system directory, a home directory, or all that is in one.
    VitalDirectory,
    /// A disk, a partition or the machine's memory.
    RawDevice,
    /// A file that says who may log in.
    AccountFile,
    /// A drive of Windows.
    Drive,
}

const CLASSES: [(Class, &str); 4] = [
    (Class::VitalDirectory, "vital-directory"),
    (Class::RawDevice, "raw-device"),
    (Class::AccountFile, "account-file"),
    (Class::Drive, "drive"),
];

/// A pattern or an option cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It names a class that does not exist.
    #[error(
        "`{pattern}` names no class: there are <vital-directory>, <raw-device>, <account-file> and \
         <drive>"
    )]
    UnknownClass {
        /// As written.
        pattern: String,
    },
    /// It is no option.
    #[error("`{option}` is not an option: `-x`, `--long` or `-word`")]
    NotAnOption {
        /// As written.
        option: String,
    },
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let class = text
            .strip_suffix('>')
            .and_then(|start| start.rsplit_once('<'));
        let Some((before, name)) = class else {
            return Ok(Self(Kind::Glob(text.to_owned())));
        };
        let known = CLASSES.iter().find(|(_, known)| *known == name);
        let (class, _) = known.ok_or_else(|| PatternError::UnknownClass {
            pattern: text.to_owned(),
        })?;
        Ok(Self(Kind::Class {
            before: before.to_owned(),
            class: *class,
        }))
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Glob(text) => f.write_str(text),
            Kind::Class { before, class } => {
                let known = CLASSES.iter().find(|(known, _)| known == class);
                write!(f, "{before}<{}>", known.map_or("", |(_, name)| name))
            }
        }
    }
}

impl Pattern {
    /// Whether it matches a word of a command that runs in `directory`.
    pub(super) fn matches(&self, word: &Word, directory: Option<&Word>) -> bool {
        match &self.0 {
            Kind::Glob(glob) if glob.starts_with('/') => {
                let path = word.beneath(directory);
                matches_glob(glob, &word.text)
                    || path
                        .text
                        .strip_prefix('/')
                        .is_some_and(|path| matches_glob(glob, &format!("/{}", tidy(path))))
            }
            Kind::Glob(glob) => matches_glob(glob, &word.text),
            Kind::Class { before, class } => {
                let Some(rest) = word.text.strip_prefix(before) else {
                    return false;
                };
                let rest = Word {
                    text: rest.to_owned(),
                    ..word.clone()
                };
                class.holds(&rest.beneath(directory))
            }
        }
    }

    /// Whether it matches a text that is no path.
    pub(super) fn matches_text(&self, text: &str) -> bool {
        match &self.0 {
            Kind::Glob(glob) => matches_glob(glob, text),
            Kind::Class { .. } => false,
        }
    }

    /// Whether it names a program by its path, not by its name alone.
    pub(super) fn is_path(&self) -> bool {
        match &self.0 {
            Kind::Glob(glob) => glob.contains('/'),
            Kind::Class { .. } => false,
        }
    }
}

impl Class {
    fn holds(self, path: &Word) -> bool {
        match self {
            Self::VitalDirectory => is_vital(path),
            Self::RawDevice => is_raw_device(&path.text),
            Self::AccountFile => is_account_file(&path.text),
            Self::Drive => is_drive(&path.text),
        }
    }
}

/// An option: `-x`, which is found among others (`-rxf`) too; `--long`, which is found abbreviated
/// too, as `getopt_long(3)` allows; or `-word`, which is found as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OptionName {
    /// `-x`.
    Short(char),
    /// `--long`, without the dashes.
    Long(String),
    /// `-word`, with its dash.
    Word(String),
}

impl TryFrom<String> for OptionName {
    type Error = PatternError;

    fn try_from(option: String) -> Result<Self, PatternError> {
        if let Some(long) = option.strip_prefix("--").filter(|long| !long.is_empty()) {
            return Ok(Self::Long(long.to_owned()));
        }
        let mut letters = option.strip_prefix('-').unwrap_or_default().chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) if letter != '-' => Ok(Self::Short(letter)),
            (Some(letter), Some(_)) if letter != '-' => Ok(Self::Word(option)),
            _ => Err(PatternError::NotAnOption { option }),
        }
    }
}

impl From<OptionName> for String {
    fn from(option: OptionName) -> Self {
        match option {
            OptionName::Short(letter) => format!("-{letter}"),
            OptionName::Long(long) => format!("--{long}"),
            OptionName::Word(word) => word,
        }
    }
}
