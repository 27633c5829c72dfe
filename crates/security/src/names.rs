//! Names and patterns of names that an operator writes.

use std::collections::BTreeSet;

/// Names given one by one or by prefix.
///
/// ```
/// use mcp_security::names::NameList;
///
/// let names = NameList::parse(["PATH", "LC_*"])?;
/// assert!(names.contains("LC_ALL"));
/// assert!(!names.contains("PATHEXT"));
/// # Ok::<(), mcp_security::names::NameListError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameList {
    exact: BTreeSet<String>,
    prefixes: Vec<String>,
}

/// An entry is empty, matches everything, or has a `*` that is not its last character.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` is not a name or a prefix followed by one `*`")]
pub struct NameListError {
    /// The entry as it was written.
    pub entry: String,
}

impl NameList {
    /// Reads the entries. A lone `*` is refused: a list that holds everything is a mistake.
    pub fn parse<S: Into<String>>(
        entries: impl IntoIterator<Item = S>,
    ) -> Result<Self, NameListError> {
        let mut list = Self {
            exact: BTreeSet::new(),
            prefixes: Vec::new(),
        };
        for entry in entries {
            let entry = entry.into();
            let (stem, is_prefix) = entry
                .strip_suffix('*')
                .map_or((entry.as_str(), false), |stem| (stem, true));
            if stem.is_empty() || stem.contains('*') {
                return Err(NameListError { entry });
            }
            if is_prefix {
                list.prefixes.push(stem.to_owned());
            } else {
                list.exact.insert(entry);
            }
        }
        Ok(list)
    }

    /// Whether `name` is one of the names. Case counts.
    pub fn contains(&self, name: &str) -> bool {
        self.exact.contains(name) || self.prefixes.iter().any(|prefix| name.starts_with(prefix))
    }

    /// Whether a name of the list is `name` after the kernel cut it to `bytes` bytes.
    pub(crate) fn contains_cut(&self, name: &str, bytes: usize) -> bool {
        let cut = |entry: &String| entry.len() > bytes && entry.get(..bytes) == Some(name);
        self.contains(name) || self.exact.iter().any(cut)
    }
}

/// Whether `name` matches `pattern`, where every `*` stands for any run of characters.
pub(crate) fn matches_glob(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|head| name.strip_prefix(head)) else {
        return false;
    };
    let Some(tail) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_entries_that_match_everything_or_in_the_middle() {
        for entry in ["", "*", "**", "A*B", "*_HOME"] {
            let refused = NameListError {
                entry: entry.to_owned(),
            };
            assert_eq!(NameList::parse([entry]), Err(refused));
        }
    }

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, name, expected) in [
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*a", "a", false),
            ("*", "", true),
            ("*.pem", "key.pem", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxcyyb", false),
            ("abc", "abcd", false),
        ] {
            assert_eq!(matches_glob(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn knows_names_that_the_kernel_cut() {
        let names = NameList::parse(["systemd-timesyncd"]).unwrap();
        assert!(names.contains_cut("systemd-timesyn", 15));
        assert!(!names.contains_cut("systemd-times", 15));
    }
}
