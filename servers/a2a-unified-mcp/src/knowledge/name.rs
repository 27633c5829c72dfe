//! The short texts that entries are found by.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::Invalid;

fn check(part: &'static str, text: &str, max: usize) -> Result<(), Invalid> {
    if text.trim().is_empty() {
        return Err(Invalid::Empty { part });
    }
    let got = text.chars().count();
    if got > max {
        let unit = "characters";
        return Err(Invalid::TooLong {
            part,
            unit,
            max,
            got,
        });
    }
    match text.chars().find(|character| character.is_control()) {
        Some(character) => Err(Invalid::Control { part, character }),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $part:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The longest, in characters.
            pub const MAX_CHARS: usize = $max;

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// One that is in a file already: the original system knew no bounds.
            pub(crate) fn stored(text: String) -> Self {
                Self(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                check($part, &text, Self::MAX_CHARS)?;
                Ok(Self(text))
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                text.to_owned().try_into()
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "minLength": 1, "maxLength": Self::MAX_CHARS })
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Who said it: 1 to 128 characters, none of them a control character. Default `user`.
    Source,
    "source",
    128
);
name!(
    /// What it belongs to: 1 to 128 characters, none of them a control character. Default `general`.
    Category,
    "category",
    128
);
name!(
    /// What it is called: 1 to 1024 characters, none of them a control character.
    Key,
    "key",
    1024
);
name!(
    /// A label: 1 to 64 characters, none of them a control character.
    Tag,
    "tag",
    64
);

impl Default for Source {
    fn default() -> Self {
        Self("user".to_owned())
    }
}

impl Default for Category {
    fn default() -> Self {
        Self("general".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_bounds() {
        assert!("é".repeat(1024).parse::<Key>().is_ok());
        let long = "é".repeat(1025).parse::<Key>().unwrap_err();
        assert_eq!(
            long.to_string(),
            "the key has 1025 characters; 1024 is the most"
        );
        assert_eq!(
            " \t".parse::<Tag>().unwrap_err().to_string(),
            "the tag is empty"
        );
        let control = "a\nb".parse::<Source>().unwrap_err();
        assert_eq!(
            control.to_string(),
            "the source holds a control character, U+000A"
        );
        assert!(serde_json::from_str::<Category>("\"\"").is_err());
    }
}
