//! What was measured, against its goal: as a table for people and as JSON.

use anyhow::Result;
use serde_json::{Value, json};

use super::place::SETTINGS;

const MIB: f64 = 1_048_576.0;

/// One measured thing. Times are in seconds, memory in bytes, rates in calls per second.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) unit: Unit,
    pub(super) goal: Goal,
    pub(super) measured: f64,
    /// What it is compared with, in the same unit.
    pub(super) reference: Option<(&'static str, f64)>,
}

/// How a number is shown.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Time,
    Memory,
    Rate,
    Count,
}

/// When a measurement is good enough.
#[derive(Clone, Copy)]
pub(super) enum Goal {
    /// At most so many times the reference.
    Times(f64),
    /// At least so many times the reference.
    Share(f64),
    /// At most so much more than the reference.
    Plus(f64),
    /// At most so much.
    Limit(f64),
    /// At least so much.
    Least(f64),
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        let (_, reference) = self.reference?;
        (reference > 0.0).then(|| self.measured / reference)
    }

    /// A goal relative to a reference that was not taken is not met.
    fn met(&self) -> bool {
        let reference = self.reference.map_or(f64::NAN, |(_, value)| value);
        match self.goal {
            Goal::Times(factor) => self.measured <= factor * reference,
            Goal::Share(factor) => self.measured >= factor * reference,
            Goal::Plus(extra) => self.measured <= reference + extra,
            Goal::Limit(limit) => self.measured <= limit,
            Goal::Least(least) => self.measured >= least,
        }
    }

    fn goal(&self) -> String {
        let name = self.reference.map_or("reference", |(name, _)| name);
        match self.goal {
            Goal::Times(factor) => format!("≤ {factor} × {name}"),
            Goal::Share(factor) => format!("≥ {factor} × {name}"),
            Goal::Plus(extra) => format!("≤ {name} + {}", self.unit.show(extra)),
            Goal::Limit(limit) => format!("≤ {}", self.unit.show(limit)),
            Goal::Least(least) => format!("≥ {}", self.unit.show(least)),
        }
    }

    fn line(&self) -> String {
        let reference = self.reference.map_or_else(
            || "–".to_owned(),
            |(name, value)| format!("{name}: {}", self.unit.show(value)),
        );
        let ratio = self
            .ratio()
            .map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
        format!(
            "| {} | {} | {} | {reference} | {ratio} | {} |\n",
            self.what,
            self.goal(),
            self.unit.show(self.measured),
            if self.met() { "yes" } else { "NO" },
        )
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Time if value < 1e-3 => format!("{:.0} µs", value * 1e6),
            Self::Time => format!("{:.2} ms", value * 1e3),
            Self::Memory => format!("{:.1} MiB", value / MIB),
            Self::Rate => format!("{value:.0}/s"),
            Self::Count => format!("{value:.0}"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Time => "seconds",
            Self::Memory => "bytes",
            Self::Rate => "per_second",
            Self::Count => "count",
        }
    }
}

/// What was measured on what.
pub(super) struct Conditions {
    /// Names the programs.
    programs: String,
    cores: usize,
    /// Averages over 1, 5 and 15 minutes when the measurement began (proc(5)): on a busy machine
    /// the numbers mean little.
    load: String,
}

impl Conditions {
    pub(super) fn now(programs: String) -> Result<Self> {
        let load = std::fs::read_to_string("/proc/loadavg")?;
        Ok(Self {
            programs,
            cores: std::thread::available_parallelism()?.into(),
            load: load
                .split_whitespace()
                .take(3)
                .collect::<Vec<_>>()
                .join(" "),
        })
    }
}

/// A table with a line for each row.
pub(super) fn markdown(conditions: &Conditions, rows: &[Row]) -> String {
    let Conditions {
        programs,
        cores,
        load,
    } = conditions;
    let settings = SETTINGS
        .iter()
        .map(|(name, value)| format!("`{name}={value}`"));
    let settings = settings.collect::<Vec<_>>().join(", ");
    let lines: String = rows.iter().map(Row::line).collect();
    format!(
        "## omnipotent-mcp and a2a-unified-mcp, {programs}\n\n\
         Medians of rounds in which the contenders take turns. Clients and servers share {cores} \
         cores, and one core where a row says so; the load average was {load} at the start. Rate \
         limits are raised and loopback is opened by configuration: {settings}.\n\n\
         | what | goal | measured | reference | ratio | met |\n\
         |---|---|--:|--:|--:|---|\n{lines}"
    )
}

/// The same as numbers, in base units.
pub(super) fn json(conditions: &Conditions, rows: &[Row]) -> Value {
    let row = |row: &Row| {
        json!({
            "what": row.what,
            "unit": row.unit.name(),
            "goal": row.goal(),
            "measured": row.measured,
            "reference": row.reference.map(|(name, value)| json!({ "name": name, "value": value })),
            "ratio": row.ratio(),
            "met": row.met(),
        })
    };
    json!({
        "programs": conditions.programs,
        "cores": conditions.cores,
        "load": conditions.load,
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_goal_and_whether_it_is_met() {
        let check = |unit, goal, measured, reference, expected: &str| {
            let row = Row {
                what: "x".to_owned(),
                unit,
                goal,
                measured,
                reference,
            };
            assert_eq!(row.line(), format!("| x | {expected} |\n"));
        };
        let bare = |value| Some(("bare", value));
        check(
            Unit::Time,
            Goal::Times(1.5),
            3e-3,
            bare(2e-3),
            "≤ 1.5 × bare | 3.00 ms | bare: 2.00 ms | 1.50 | yes",
        );
        check(
            Unit::Rate,
            Goal::Share(0.7),
            690.0,
            bare(1000.0),
            "≥ 0.7 × bare | 690/s | bare: 1000/s | 0.69 | NO",
        );
        check(
            Unit::Time,
            Goal::Plus(30e-6),
            125e-6,
            bare(100e-6),
            "≤ bare + 30 µs | 125 µs | bare: 100 µs | 1.25 | yes",
        );
        check(
            Unit::Memory,
            Goal::Limit(MIB),
            2.0 * MIB,
            None,
            "≤ 1.0 MiB | 2.0 MiB | – | – | NO",
        );
        check(
            Unit::Rate,
            Goal::Least(5000.0),
            4999.0,
            None,
            "≥ 5000/s | 4999/s | – | – | NO",
        );
        check(
            Unit::Count,
            Goal::Limit(0.0),
            0.0,
            bare(0.0),
            "≤ 0 | 0 | bare: 0 | – | yes",
        );
    }
}
