//! Points in time, as they are stored.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::Invalid;

/// Milliseconds since 1970-01-01T00:00:00 UTC, leap seconds not counted; shown as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// 9999-12-31T23:59:59.999Z, the last time that RFC 3339 can write.
const LAST: i64 = 253_402_300_799_999;

impl Timestamp {
    /// What the system's clock says (`CLOCK_REALTIME`), which may be set back.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self(since.map_or(0, |since| clamped(since.as_millis())))
    }

    /// The time that many milliseconds after 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time `age` earlier, at the earliest 1970.
    #[must_use]
    pub fn before(self, age: Duration) -> Self {
        Self(self.0.saturating_sub(clamped(age.as_millis())).max(0))
    }

    /// The time `wait` later, at most the end of the year 9999.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(clamped(wait.as_millis())).min(LAST))
    }
}

fn clamped(millis: u128) -> i64 {
    i64::try_from(millis).unwrap_or(LAST).min(LAST)
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.clamp(0, LAST)).unwrap_or(0);
        let time = UNIX_EPOCH + Duration::from_millis(millis);
        humantime::format_rfc3339_millis(time).fmt(f)
    }
}

impl FromStr for Timestamp {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let time = humantime::parse_rfc3339(text).map_err(|_| Invalid::Time)?;
        let since = time.duration_since(UNIX_EPOCH);
        Ok(Self(clamped(since.map_err(|_| Invalid::Time)?.as_millis())))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_to_the_millisecond() {
        let time = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(time.to_string().parse(), Ok(time));
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn the_last_time_is_the_last() {
        let last = Timestamp::now().after(Duration::MAX);
        assert_eq!(last.to_string(), "9999-12-31T23:59:59.999Z");
    }
}
