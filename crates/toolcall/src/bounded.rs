//! Argument types whose published schema and whose parsing use the same numbers.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// An integer from `MIN` to `MAX`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Int<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Int<MIN, MAX> {
    /// A value known when the program is written.
    ///
    /// # Panics
    /// When the value is out of bounds; use it in constants, where that is a compile error.
    pub const fn literal(value: u64) -> Self {
        assert!(MIN <= value && value <= MAX);
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number as a size in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The value is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be between {min} and {max}, got {got}")]
pub struct OutOfBounds {
    min: u64,
    max: u64,
    got: u64,
}

impl<const MIN: u64, const MAX: u64> TryFrom<u64> for Int<MIN, MAX> {
    type Error = OutOfBounds;

    fn try_from(got: u64) -> Result<Self, OutOfBounds> {
        if (MIN..=MAX).contains(&got) {
            Ok(Self(got))
        } else {
            Err(OutOfBounds {
                min: MIN,
                max: MAX,
                got,
            })
        }
    }
}

struct IntVisitor<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Visitor<'_> for IntVisitor<MIN, MAX> {
    type Value = Int<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an integer between {MIN} and {MAX}")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Int::try_from(value).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        let Ok(value) = u64::try_from(value) else {
            return Err(E::custom(format_args!(
                "must be between {MIN} and {MAX}, got {value}"
            )));
        };
        self.visit_u64(value)
    }

    /// JSON Schema calls 30.0 an integer, so some clients send it.
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be integral and between 0 and 2^53 first"
    )]
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && (0.0..=EXACT).contains(&value) {
            self.visit_u64(value as u64)
        } else {
            Err(E::invalid_value(de::Unexpected::Float(value), &self))
        }
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Int<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntVisitor)
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Int<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Int{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// A text of `MIN` to `MAX` characters (Unicode scalar values, as JSON Schema counts).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<const MIN: usize, const MAX: usize>(String);

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    /// The text itself.
    pub fn into_inner(self) -> String {
        self.0
    }
}

impl<const MIN: usize, const MAX: usize> Default for Text<MIN, MAX>
where
    Self: MayBeEmpty,
{
    fn default() -> Self {
        Self(String::new())
    }
}

/// Bounded values that may be empty, so have a default.
pub trait MayBeEmpty {}
impl<const MAX: usize> MayBeEmpty for Text<0, MAX> {}
impl<T, const MAX: usize> MayBeEmpty for List<T, 0, MAX> {}

impl<const MIN: usize, const MAX: usize> Deref for Text<MIN, MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A text has too few or too many characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have between {min} and {max} characters, has {got}")]
pub struct BadLength {
    min: usize,
    max: usize,
    got: usize,
}

impl<const MIN: usize, const MAX: usize> TryFrom<String> for Text<MIN, MAX> {
    type Error = BadLength;

    fn try_from(text: String) -> Result<Self, BadLength> {
        // A character has one to four bytes, so most texts need no counting.
        let certain = text.len() <= MAX && text.len() >= MIN.saturating_mul(4);
        let got = if certain {
            text.len()
        } else {
            text.chars().count()
        };
        if certain || (MIN..=MAX).contains(&got) {
            Ok(Self(text))
        } else {
            Err(BadLength {
                min: MIN,
                max: MAX,
                got,
            })
        }
    }
}

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Text<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .try_into()
            .map_err(de::Error::custom)
    }
}

impl<const MIN: usize, const MAX: usize> JsonSchema for Text<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Text{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({ "type": "string", "maxLength": MAX });
        if MIN > 0 {
            schema.insert("minLength".to_owned(), MIN.into());
        }
        schema
    }
}

/// A list of `MIN` to `MAX` items. Parsing stops at the first item too many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct List<T, const MIN: usize, const MAX: usize>(Vec<T>);

impl<T, const MIN: usize, const MAX: usize> Default for List<T, MIN, MAX>
where
    Self: MayBeEmpty,
{
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MIN: usize, const MAX: usize> Deref for List<T, MIN, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MIN: usize, const MAX: usize> IntoIterator for List<T, MIN, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

struct ListVisitor<T, const MIN: usize, const MAX: usize>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MIN: usize, const MAX: usize> Visitor<'de>
    for ListVisitor<T, MIN, MAX>
{
    type Value = List<T, MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {MIN} to {MAX} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() == MAX {
                let message = format_args!("must have between {MIN} and {MAX} items, has more");
                return Err(de::Error::custom(message));
            }
            list.push(item);
        }
        if list.len() < MIN {
            let got = list.len();
            let message = format_args!("must have between {MIN} and {MAX} items, has {got}");
            return Err(de::Error::custom(message));
        }
        Ok(List(list))
    }
}

impl<'de, T: Deserialize<'de>, const MIN: usize, const MAX: usize> Deserialize<'de>
    for List<T, MIN, MAX>
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(std::marker::PhantomData))
    }
}

impl<T: JsonSchema, const MIN: usize, const MAX: usize> JsonSchema for List<T, MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("List{MIN}To{MAX}Of{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({
            "type": "array",
            "items": generator.subschema_for::<T>(),
            "maxItems": MAX,
        });
        if MIN > 0 {
            schema.insert("minItems".to_owned(), MIN.into());
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: for<'de> Deserialize<'de>>(json: &str, expect: Result<(), &str>) {
        let got = serde_json::from_str::<T>(json)
            .map(drop)
            .map_err(|error| error.to_string());
        match (got, expect) {
            (Ok(()), Ok(())) => {}
            (Err(got), Err(part)) if got.contains(part) => {}
            (got, expect) => panic!("{json}: got {got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn integers_keep_to_their_bounds() {
        type Limit = Int<1, 200>;
        check::<Limit>("1", Ok(()));
        check::<Limit>("200", Ok(()));
        check::<Limit>("30.0", Ok(()));
        check::<Limit>("0", Err("must be between 1 and 200, got 0"));
        check::<Limit>("201", Err("got 201"));
        check::<Limit>("-3", Err("got -3"));
        check::<Limit>("1.5", Err("an integer between 1 and 200"));
        check::<Limit>("1e300", Err("an integer between 1 and 200"));
        check::<Limit>("\"5\"", Err("an integer between 1 and 200"));
    }

    #[test]
    fn texts_count_characters_not_bytes() {
        type Short = Text<1, 3>;
        check::<Short>("\"ééé\"", Ok(()));
        check::<Short>("\"\"", Err("has 0"));
        check::<Short>(
            "\"abcd\"",
            Err("must have between 1 and 3 characters, has 4"),
        );
        check::<Text<2, 9>>("\"é\"", Err("has 1"));
    }

    #[test]
    fn lists_stop_at_their_maximum() {
        type Pair = List<u8, 1, 2>;
        check::<Pair>("[1,2]", Ok(()));
        check::<Pair>("[]", Err("has 0"));
        check::<Pair>("[1,2,3]", Err("has more"));
    }
}
