//! Paths that stay closed inside roots too: secrets, and files that make other programs run code.

mod written;

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, readlinkat};
use rustix::io::Errno;

pub use self::written::{ProtectedPath, Protection};
pub(super) use self::written::{default_exceptions, default_rules};
use super::resolve::{Identity, place_of};
use super::{Intent, RootsError};
use crate::names::matches_glob;

/// All rules, ready to judge.
#[derive(Debug)]
pub(super) struct Rules {
    all: Vec<Rule>,
    /// Places in `all` by their first name; each path that is judged is looked up here.
    by_first_name: HashMap<String, Vec<usize>>,
    /// Places of the rules whose first name is a pattern.
    patterns: Vec<usize>,
    exceptions: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Rule {
    text: String,
    from_top: bool,
    names: Vec<String>,
    protection: Protection,
}

impl Rules {
    /// The rules, unless one names nothing.
    pub(super) fn new(
        rules: impl IntoIterator<Item = ProtectedPath>,
        exceptions: &[String],
    ) -> Result<Self, RootsError> {
        let written: Vec<Rule> = rules.into_iter().map(Rule::new).collect::<Result<_, _>>()?;
        let mut places = Places::default();
        let real = written
            .iter()
            .flat_map(|rule| rule.without_links(&mut places));
        let real: Vec<Rule> = real.collect();
        let all: Vec<Rule> = written.into_iter().chain(real).collect();
        let mut by_first_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut patterns = Vec::new();
        for (place, rule) in all.iter().enumerate() {
            match rule.names.first() {
                Some(first) if !first.contains('*') => {
                    by_first_name.entry(first.clone()).or_default().push(place);
                }
                Some(_) => patterns.push(place),
                None => {}
            }
        }
        Ok(Self {
            all,
            by_first_name,
            patterns,
            exceptions: exceptions.iter().map(|name| fold(name)).collect(),
        })
    }

    /// The rule against using the absolute path `real`, if there is one.
    pub(super) fn against(&self, real: &Path, intent: Intent) -> Option<&str> {
        let names = folded_names(real);
        let hits = (0..names.len()).flat_map(|start| self.at(names.split_at(start), intent));
        let first = self.all.get(hits.min()?)?;
        Some(&first.text)
    }

    /// Places of the rules that forbid a path with these names above and from a place on.
    fn at(
        &self,
        (above, names): (&[String], &[String]),
        intent: Intent,
    ) -> impl Iterator<Item = usize> {
        let exact = names.first().and_then(|name| self.by_first_name.get(name));
        let candidates = exact.into_iter().flatten().chain(&self.patterns);
        candidates.copied().filter(move |&place| {
            self.all.get(place).is_some_and(|rule| {
                rule.protection.forbids(intent)
                    && (above.is_empty() || !rule.from_top)
                    && names
                        .get(..rule.names.len())
                        .is_some_and(|row| self.matches(rule, row))
            })
        })
    }

    /// The rule whose file `object` is under another name, if there is one.
    pub(super) fn against_object(&self, object: Identity, intent: Intent) -> Option<&str> {
        let hit = |rule: &&Rule| {
            rule.from_top
                && rule.protection.forbids(intent)
                && Identity::at(Path::new(&rule.text)) == Some(object)
        };
        self.all.iter().find(hit).map(|rule| rule.text.as_str())
    }

    /// The rules one by one.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.all.iter()
    }

    /// Whether `rule` is about the last names of the absolute path `real`.
    pub(super) fn ends_at(&self, rule: &Rule, real: &Path) -> bool {
        let names = folded_names(real);
        let start = names.len().checked_sub(rule.names.len());
        start.is_some_and(|start| {
            (start == 0 || !rule.from_top)
                && names
                    .get(start..)
                    .is_some_and(|row| self.matches(rule, row))
        })
    }

    fn matches(&self, rule: &Rule, row: &[String]) -> bool {
        row.iter()
            .zip(&rule.names)
            .all(|(name, pattern)| matches_glob(pattern, name))
            && !row
                .last()
                .is_some_and(|last| self.exceptions.contains(last))
    }
}

fn folded_names(real: &Path) -> Vec<String> {
    real.components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .map(|part| fold(&part.as_os_str().to_string_lossy()))
        .collect()
}

impl Rule {
    fn new(rule: ProtectedPath) -> Result<Self, RootsError> {
        let names: Vec<String> = rule
            .path
            .split('/')
            .filter(|name| !name.is_empty())
            .map(fold)
            .collect();
        if names.is_empty() || names.iter().any(String::is_empty) {
            return Err(RootsError::EmptyRule { rule: rule.path });
        }
        let from_top = rule.path.starts_with('/');
        Ok(Self {
            text: rule.path,
            from_top,
            names,
            protection: rule.access,
        })
    }

    /// Whether it is about one absolute path.
    pub(super) fn is_from_top(&self) -> bool {
        self.from_top
    }

    /// As it is written in the configuration.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// How many names it consists of.
    pub(super) fn length(&self) -> usize {
        self.names.len()
    }

    pub(super) fn last_name(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// Whether its last name matches one that is folded already.
    pub(super) fn last_matches(&self, name: &str) -> bool {
        matches_glob(self.last_name(), name)
    }

    pub(super) fn protection(&self) -> Protection {
        self.protection
    }

    /// Whether it closes everything below too.
    pub(super) fn is_closing(&self) -> bool {
        self.protection == Protection::ReadWrite
    }

    /// As it is configured.
    pub(super) fn configured(&self) -> ProtectedPath {
        ProtectedPath {
            path: self.text.clone(),
            access: self.protection,
        }
    }
}

impl Rule {
    /// The rule for where its path leads now, and for its name where its directory does: paths
    /// are judged without links.
    fn without_links(&self, places: &mut Places) -> Vec<Self> {
        let Some((directory, name)) = self.text.rsplit_once('/').filter(|_| self.from_top) else {
            return Vec::new();
        };
        let beside = places.of(directory).map(|directory| directory.join(name));
        // What is no link, or is not there, is where its name is.
        let no_link = || {
            let link = readlinkat(CWD, &self.text, Vec::new());
            matches!(link, Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR))
        };
        let is_beside = !matches!(name, "" | "." | "..") && no_link();
        let whole = if is_beside {
            None
        } else {
            place_of(Path::new(&self.text))
        };
        let paths = [whole, beside].into_iter().flatten();
        let other = paths.filter(|path| path.parent().is_some() && path != Path::new(&self.text));
        other
            .map(|path| Self {
                text: self.text.clone(),
                from_top: true,
                names: path
                    .iter()
                    .skip(1)
                    .map(|name| fold(&name.to_string_lossy()))
                    .collect(),
                protection: self.protection,
            })
            .collect()
    }
}

/// Where directories are, each looked up once: many rules share one.
#[derive(Default)]
struct Places(HashMap<String, Option<PathBuf>>);

impl Places {
    fn of(&mut self, directory: &str) -> Option<PathBuf> {
        let known = self.0.entry(directory.to_owned());
        let place = known.or_insert_with(|| place_of(Path::new(directory)));
        place.clone()
    }
}

/// A name as other systems would see it: without case, final dots and final spaces.
pub(super) fn fold(name: &str) -> String {
    name.trim_end_matches(['.', ' ']).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, intent: Intent, rule: Option<&str>) {
        let rules = Rules::new(default_rules(), &default_exceptions()).unwrap();
        assert_eq!(
            rules.against(Path::new(path), intent),
            rule,
            "{path} {intent:?}"
        );
    }

    #[test]
    fn holds_in_any_case_and_at_any_depth() {
        check("/w/.ssh", Intent::Read, Some(".ssh"));
        check("/w/a/.SSH/id_rsa", Intent::Read, Some(".ssh"));
        check("/w/.ssh. /id", Intent::Read, Some(".ssh"));
        check("/w/.env", Intent::Read, Some(".env*"));
        check("/w/.Env.production", Intent::Read, Some(".env*"));
        check(
            "/w/.git/hooks/pre-commit",
            Intent::Write,
            Some(".git/hooks"),
        );
        check("/etc/shadow", Intent::Read, Some("/etc/shadow"));
        check("/proc/1/environ", Intent::Read, Some("/proc"));
        check("/w/.bashrc", Intent::Write, Some(".bashrc"));
    }

    #[test]
    fn leaves_other_names_alone() {
        for path in [
            "/w/.sshx",
            "/w/ssh",
            "/w/.env.example",
            "/w/.ENV.Template",
            "/w/hooks/.git",
        ] {
            check(path, Intent::Write, None);
        }
        for path in [
            "/w/etc/shadow",
            "/w/proc/x",
            "/procx",
            "/w/dev",
            "/etc/hosts",
        ] {
            check(path, Intent::Read, None);
        }
    }

    #[test]
    fn settings_are_read_but_not_written() {
        for (path, rule) in [
            ("/w/.git/config", ".git/config"),
            ("/w/.claude/settings.local.json", ".claude/settings*.json"),
            ("/w/sub/.mcp.json", ".mcp.json"),
        ] {
            check(path, Intent::Read, None);
            check(path, Intent::Write, Some(rule));
        }
    }

    #[test]
    fn refuses_a_rule_that_names_nothing() {
        let rule = ProtectedPath {
            path: "/".to_owned(),
            access: Protection::Write,
        };
        assert_eq!(
            Rules::new([rule], &[]).unwrap_err().to_string(),
            "the protected path `/` names nothing"
        );
    }
}
