//! Reads the Prometheus text format (version 0.0.4) back, so that what a tool reports and what is
//! scraped are the same numbers.

use std::collections::BTreeMap;

/// One line of an exposition.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric's name, with `_bucket`, `_sum` or `_count` for histograms.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Sample {
    /// A label's value; empty when there is none, as Prometheus has it.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// The value of what counts something.
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts are whole and not negative"
    )]
    pub(crate) fn count(&self) -> u64 {
        self.value as u64
    }
}

/// All samples of one scrape.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exposition(Vec<Sample>);

impl Exposition {
    /// Reads what a recorder rendered; lines that are not samples are skipped.
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(sample).collect())
    }

    /// The samples of one name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Sample> {
        self.0.iter().filter(move |sample| sample.name == name)
    }

    /// The sum of the samples of one name that counts something.
    pub fn total(&self, name: &str) -> u64 {
        self.named(name).map(Sample::count).sum()
    }

    /// The samples of one name that counts something, added up by one of their labels; what was
    /// never counted is left out.
    pub fn totals_by(&self, name: &str, label: &str) -> BTreeMap<String, u64> {
        let mut totals = BTreeMap::new();
        for sample in self.named(name).filter(|sample| sample.count() > 0) {
            *totals.entry(sample.label(label).to_owned()).or_default() += sample.count();
        }
        totals
    }
}

fn sample(line: &str) -> Option<Sample> {
    if line.starts_with('#') {
        return None;
    }
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let (name, labels) = match series.split_once('{') {
        None => (series, BTreeMap::new()),
        Some((name, labels)) => (name, parse_labels(labels.strip_suffix('}')?)?),
    };
    Some(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

fn parse_labels(text: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    let mut characters = text.chars().peekable();
    while characters.peek().is_some() {
        let name: String = characters.by_ref().take_while(|&c| c != '=').collect();
        if characters.next()? != '"' {
            return None;
        }
        let mut value = String::new();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => match characters.next()? {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                other => value.push(other),
            }
        }
        labels.insert(name.trim_start_matches(',').trim().to_owned(), value);
    }
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_format_allows() {
        let text = "# HELP a b\n# TYPE a counter\na{x=\"1\",y=\"q\\\"\\\\\\n\"} 3\na{x=\"2\"} 4\nb 0.5\n\n";
        let numbers = Exposition::parse(text);
        assert_eq!(numbers.total("a"), 7);
        assert!((numbers.named("b").next().unwrap().value - 0.5).abs() < 1e-9);
        assert_eq!(numbers.named("a").next().unwrap().label("y"), "q\"\\\n");
        assert_eq!(numbers.totals_by("a", "x")["2"], 4);
    }

    #[test]
    fn skips_what_is_broken() {
        for line in ["a{x=1} 2", "a{x=\"1 2", "a", "a{} x", "{"] {
            assert_eq!(Exposition::parse(line), Exposition::default(), "{line}");
        }
    }
}
