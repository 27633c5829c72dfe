//! SPDX licence expressions (SPDX specification 2.3, annex D): `OR`, `AND`, `WITH`, brackets,
//! and the `/` that older manifests use for `OR`.

use anyhow::{Result, bail};

/// Whether the terms of `expression` can be met with licences that `allowed` accepts.
/// An exception is part of its licence's name: `Apache-2.0 WITH LLVM-exception`.
pub(super) fn satisfied(expression: &str, allowed: impl Fn(&str) -> bool) -> Result<bool> {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser {
        tokens: &tokens,
        allowed: &allowed,
    };
    let satisfied = parser.alternatives()?;
    match parser.tokens.first() {
        None => Ok(satisfied),
        Some(token) => bail!("unexpected `{token}` in licence expression `{expression}`"),
    }
}

struct Parser<'a, F> {
    tokens: &'a [&'a str],
    allowed: &'a F,
}

impl<'a, F: Fn(&str) -> bool> Parser<'a, F> {
    fn alternatives(&mut self) -> Result<bool> {
        let mut satisfied = self.conjunction()?;
        while self.accept("OR") {
            satisfied |= self.conjunction()?;
        }
        Ok(satisfied)
    }

    /// `AND` binds tighter than `OR`.
    fn conjunction(&mut self) -> Result<bool> {
        let mut satisfied = self.term()?;
        while self.accept("AND") {
            satisfied &= self.term()?;
        }
        Ok(satisfied)
    }

    fn term(&mut self) -> Result<bool> {
        if self.accept("(") {
            let satisfied = self.alternatives()?;
            if !self.accept(")") {
                bail!("a bracket of the licence expression is not closed");
            }
            return Ok(satisfied);
        }
        let licence = self.identifier()?;
        if !self.accept("WITH") {
            return Ok((self.allowed)(licence));
        }
        let exception = self.identifier()?;
        Ok((self.allowed)(&format!("{licence} WITH {exception}")))
    }

    fn identifier(&mut self) -> Result<&'a str> {
        match self.tokens.split_first() {
            Some((token, rest)) if !matches!(*token, "OR" | "AND" | "WITH" | "(" | ")") => {
                self.tokens = rest;
                Ok(token)
            }
            Some((token, _)) => bail!("a licence is expected before `{token}`"),
            None => bail!("the licence expression ends too early"),
        }
    }

    fn accept(&mut self, expected: &str) -> bool {
        match self.tokens.split_first() {
            Some((token, rest)) if *token == expected => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluates_expressions() {
        let check = |expression, expected| {
            let allowed = |id: &str| ["MIT", "ISC", "A WITH x"].contains(&id);
            assert_eq!(
                satisfied(expression, allowed).ok(),
                expected,
                "{expression}"
            );
        };
        check("MIT", Some(true));
        check("GPL", Some(false));
        check("GPL OR MIT", Some(true));
        check("GPL/MIT", Some(true));
        check("GPL / MIT", Some(true));
        check("GPL AND MIT", Some(false));
        check("MIT AND ISC", Some(true));
        check("MIT OR GPL AND GPL", Some(true));
        check("(MIT OR GPL) AND GPL", Some(false));
        check("(MIT OR GPL) AND (ISC OR GPL)", Some(true));
        check("A WITH x", Some(true));
        check("A", Some(false));
        check("MIT WITH x", Some(false));
        check("A WITH x AND MIT", Some(true));
        check("", None);
        check("MIT OR", None);
        check("(MIT", None);
        check("MIT)", None);
        check("MIT ISC", None);
        check("OR MIT", None);
    }
}
