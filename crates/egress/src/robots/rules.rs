//! Reads a robots.txt and matches paths against it (RFC 9309).

/// What one robots.txt says to one program.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Debug, PartialEq, Eq)]
struct Rule {
    verdict: Verdict,
    /// Normalised, with `*` for any octets and, at the end, `$` for the end of the path.
    pattern: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Disallow,
    Allow,
}

/// Whom a group is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    Others,
    Everyone,
    Us,
}

impl Rules {
    /// The rules for the program with that product token: of all its groups, or else of those for
    /// everyone (RFC 9309, section 2.2.1).
    pub(super) fn parse(text: &str, token: &str) -> Self {
        let (mut ours, mut everyones, mut named) = (Vec::new(), Vec::new(), false);
        let (mut audience, mut in_rules) = (Audience::Others, true);
        for (key, value) in records(text) {
            let verdict = match key.to_ascii_lowercase().as_str() {
                "user-agent" => {
                    if in_rules {
                        (audience, in_rules) = (Audience::Others, false);
                    }
                    audience = audience.or(value, token);
                    named |= audience == Audience::Us;
                    continue;
                }
                "allow" => Verdict::Allow,
                "disallow" => Verdict::Disallow,
                _ => continue,
            };
            in_rules = true;
            let group = match audience {
                Audience::Us => &mut ours,
                Audience::Everyone => &mut everyones,
                Audience::Others => continue,
            };
            // An empty pattern matches nothing.
            if !value.is_empty() {
                let pattern = normal_pattern(value);
                group.push(Rule { verdict, pattern });
            }
        }
        Self(if named { ours } else { everyones })
    }

    /// Whether a path with its query may be fetched: the longest rule that matches decides, and
    /// of two as long the one that allows (RFC 9309, section 2.2.2). Takes time linear in the
    /// rules, and for each in the path.
    pub(super) fn allow(&self, path: &str) -> bool {
        let path = normal(path, |byte| matches!(byte, b'*' | b'$'));
        let matching = self.0.iter().filter(|rule| rule.matches(&path));
        let decisive = matching.max_by_key(|rule| (rule.pattern.len(), rule.verdict));
        decisive.is_none_or(|rule| rule.verdict == Verdict::Allow)
    }

    /// Bytes it takes in memory.
    pub(super) fn weight(&self) -> usize {
        let rule = |rule: &Rule| rule.pattern.len() + size_of::<Rule>();
        self.0.iter().map(rule).sum::<usize>() + size_of::<Self>()
    }
}

impl Audience {
    /// The audience of a group that has one more `User-agent` line.
    fn or(self, value: &str, token: &str) -> Self {
        let end = value.find(|c: char| !(c.is_ascii_alphabetic() || matches!(c, '-' | '_')));
        let named = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
        if !named.is_empty() && named.eq_ignore_ascii_case(token) {
            Self::Us
        } else if value.starts_with('*') && self == Self::Others {
            Self::Everyone
        } else {
            self
        }
    }
}

impl Rule {
    fn matches(&self, path: &str) -> bool {
        let (pattern, to_end) = match self.pattern.strip_suffix('$') {
            Some(pattern) => (pattern, true),
            None => (self.pattern.as_str(), false),
        };
        let mut pieces = pattern.split('*');
        let Some(mut rest) = path.strip_prefix(pieces.next().unwrap_or_default()) else {
            return false;
        };
        let Some(last) = pieces.next_back() else {
            return !to_end || rest.is_empty();
        };
        for piece in pieces {
            match rest.split_once(piece) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        if to_end {
            rest.ends_with(last)
        } else {
            rest.contains(last)
        }
    }
}

/// Keys and values of the lines that have both, without comments and white space.
fn records(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.trim_start_matches('\u{feff}').split(['\r', '\n']);
    let lines = lines.filter_map(|line| line.split('#').next()?.split_once(':'));
    lines.map(|(key, value)| (key.trim(), value.trim()))
}

/// A `$` has its meaning at the end only.
fn normal_pattern(pattern: &str) -> String {
    match pattern.strip_suffix('$') {
        Some(inner) => normal(inner, |byte| byte == b'$') + "$",
        None => normal(pattern, |byte| byte == b'$'),
    }
}

/// One way to write a path: octets outside ASCII and those that `encode` names are
/// percent-encoded, unreserved ones are not (RFC 9309, section 2.2.2).
fn normal(path: &str, encode: impl Fn(u8) -> bool) -> String {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        let (octet, raw) = if let Some((high, low)) = escaped {
            rest = tail.get(2..).unwrap_or_default();
            let octet = high << 4 | low;
            (octet, is_unreserved(octet))
        } else {
            rest = tail;
            let raw = first.is_ascii_graphic() && *first != b'%' && !encode(*first);
            (*first, raw)
        };
        if raw {
            normal.push(char::from(octet));
        } else {
            normal.push('%');
            let digits = [octet >> 4, octet & 15].map(u32::from);
            let digits = digits
                .into_iter()
                .filter_map(|digit| char::from_digit(digit, 16));
            normal.extend(digits.map(|digit| digit.to_ascii_uppercase()));
        }
    }
    normal
}

/// RFC 3986, section 2.3.
fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file says to `our-bot` of single paths.
    fn check(robots: &str, paths: &[(&str, bool)]) {
        let rules = Rules::parse(robots, "our-bot");
        for (path, allowed) in paths {
            assert_eq!(rules.allow(path), *allowed, "{path} by {robots:?}");
        }
    }

    #[test]
    fn takes_the_groups_that_name_us_or_else_those_for_everyone() {
        let two = "User-agent: *\nDisallow: /\n\nuser-AGENT: Our-Bot/1.0 # us\nDISALLOW: /a\n";
        check(two, &[("/a", false), ("/b", true)]);
        check(
            "User-agent: *\nDisallow: /a\n",
            &[("/a", false), ("/b", true)],
        );
        check("User-agent: other\nDisallow: /\n", &[("/", true)]);
        check("User-agent: our-bot-2\nDisallow: /\n", &[("/", true)]);
        let shared = "User-agent: other\nSitemap: /s\nUser-agent: our-bot\nDisallow: /a\n";
        check(shared, &[("/a", false)]);
        let split = "User-agent: our-bot\nDisallow: /a\nUser-agent: x\nDisallow: /b\n\
                     User-agent: our-bot\nDisallow: /c";
        check(split, &[("/a", false), ("/b", true), ("/c", false)]);
        check(
            "User-agent: *\nDisallow: /\nUser-agent: our-bot\n",
            &[("/", true)],
        );
        check("\u{feff}User-agent:*\rDisallow:/a\r", &[("/a", false)]);
        check("Disallow: /\nnonsense\n: x\n", &[("/", true)]);
        check("", &[("/", true)]);
    }

    #[test]
    fn the_longest_match_decides_and_allows_when_two_are_as_long() {
        let robots =
            "User-agent: *\nDisallow: /a\nAllow: /a/b\nAllow: /c\nDisallow: /c\nDisallow:\n";
        check(
            robots,
            &[("/a/x", false), ("/a/b", true), ("/c", true), ("/", true)],
        );
        // The example of RFC 9309, section 5.2.
        let rfc = "User-Agent: *\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n";
        check(
            rfc,
            &[
                ("/example/page/disallowed.gif", false),
                ("/example/page/x", true),
            ],
        );
    }

    #[test]
    fn wildcards_match_as_the_standard_says() {
        for (pattern, path, matches) in [
            ("/*.gif$", "/a/b.gif", true),
            ("/*.gif$", "/a.gif?x", false),
            ("/a$", "/a", true),
            ("/a$", "/ab", false),
            ("/a*", "/abc", true),
            ("*/b", "/a/b", true),
            ("/a*b*c", "/a1b2c3", true),
            ("/a*b*c", "/a1c2b3", false),
            ("/a*b$", "/a-b-b", true),
            ("/*", "/", true),
            ("/$", "/a", false),
            ("$", "/a", false),
            ("/a$b", "/a$b", true),
            ("/%7Ea", "/~a", true),
            ("/~a", "/%7ea", true),
            ("/ä", "/%C3%A4", true),
            ("/a%2Fb", "/a/b", false),
            ("/a%2fb", "/a%2Fb", true),
            ("/a%2Ab", "/a*b", true),
            ("/a%", "/a%25", true),
            ("/?x=*&y", "/?x=1&y=2", true),
        ] {
            check(
                &format!("User-agent: *\nDisallow: {pattern}"),
                &[(path, !matches)],
            );
        }
    }

    #[test]
    fn many_wildcards_take_linear_time() {
        let pattern = "/".to_owned() + &"a*".repeat(100_000) + "b";
        let path = "/".to_owned() + &"a".repeat(16_000);
        let started = std::time::Instant::now();
        check(
            &format!("User-agent: *\nDisallow: {pattern}"),
            &[(&path, true)],
        );
        assert!(started.elapsed() < std::time::Duration::from_secs(1));
    }
}
