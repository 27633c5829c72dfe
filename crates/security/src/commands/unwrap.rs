//! Programs that run another program: what they run is looked at too.

mod inner;
mod wrappers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::inner::{Inner, Script, aliases, inner, passed_assignments};
use super::MAX_COMMAND_BYTES;
use super::script::{self, Input, Invocation, SyntaxError, Word};

pub(super) use self::inner::is_assignment;

/// How many programs may wrap one another.
const MAX_LAYERS: usize = 16;
/// Most bytes of commands inside commands, counted each time they are looked at.
const MAX_INNER_BYTES: usize = MAX_LAYERS * MAX_COMMAND_BYTES;

/// Commands together with what they run, and whether all of it can be told.
#[derive(Debug, Default)]
pub(super) struct Unwrapped {
    pub(super) invocations: Vec<Invocation>,
    /// Whether some command is known only when it runs.
    pub(super) opaque: bool,
    /// Functions that call themselves at least twice, beside others.
    pub(super) multiplying: BTreeSet<Arc<str>>,
}

/// A command that is yet to be looked at.
struct Pending {
    invocation: Invocation,
    layer: usize,
    /// Whether it came from an alias, which is replaced once.
    from_alias: bool,
}

/// Adds to `invocations` all that they run in turn.
pub(super) fn unwrap(invocations: Vec<Invocation>) -> Result<Unwrapped, SyntaxError> {
    let mut walk = Walk::default();
    walk.push(invocations, 0, false);
    while let Some(next) = walk.pending.pop() {
        walk.look_into(next)?;
    }
    let mut found = walk.found;
    found.invocations.reverse();
    found.multiplying = multiplying(&found.invocations);
    Ok(found)
}

#[derive(Default)]
struct Walk {
    found: Unwrapped,
    pending: Vec<Pending>,
    aliases: BTreeMap<String, String>,
    inner_bytes: usize,
}

impl Walk {
    fn push(&mut self, invocations: Vec<Invocation>, layer: usize, from_alias: bool) {
        for invocation in &invocations {
            self.aliases.extend(aliases(&invocation.words));
        }
        let pending = invocations.into_iter().map(|invocation| Pending {
            invocation,
            layer,
            from_alias,
        });
        self.pending.extend(pending);
    }

    fn look_into(&mut self, next: Pending) -> Result<(), SyntaxError> {
        let Pending {
            invocation,
            layer,
            from_alias,
        } = next;
        if layer > MAX_LAYERS {
            return Err(SyntaxError::TooDeep { limit: MAX_LAYERS });
        }
        let alias = (!from_alias).then(|| self.unaliased(&invocation)).flatten();
        if let Some(script) = alias {
            let replaced = self.script(&script, &invocation)?;
            self.push(replaced, layer + 1, true);
        }
        match inner(&invocation) {
            Inner::Nothing => {}
            Inner::Unknown => self.found.opaque = true,
            Inner::Commands(commands) => {
                let commands = self.commands(commands, &invocation)?;
                self.push(commands, layer + 1, from_alias);
            }
            Inner::Script(script) => {
                self.found.opaque |= script.expands;
                let commands = self.script(&script, &invocation)?;
                self.push(commands, layer + 1, from_alias);
            }
        }
        self.found.invocations.push(invocation);
        Ok(())
    }

    /// The command with the alias that its program names replaced.
    fn unaliased(&self, invocation: &Invocation) -> Option<Script> {
        let (program, args) = invocation.words.split_first()?;
        let value = self.aliases.get(program.fixed()?)?;
        let words = std::iter::once(value.as_str()).chain(args.iter().map(|arg| &*arg.text));
        Some(Script {
            text: words.collect::<Vec<_>>().join(" "),
            expands: false,
            from_input: true,
        })
    }

    fn script(
        &mut self,
        script: &Script,
        outer: &Invocation,
    ) -> Result<Vec<Invocation>, SyntaxError> {
        self.spend(script.text.len())?;
        let mut commands = script.parse()?;
        for command in &mut commands {
            command.inherit(outer);
        }
        Ok(commands)
    }

    fn commands(
        &mut self,
        commands: Vec<Vec<Word>>,
        outer: &Invocation,
    ) -> Result<Vec<Invocation>, SyntaxError> {
        let mut inside = Vec::new();
        for words in commands {
            self.spend(words.iter().map(|word| word.text.len() + 1).sum())?;
            let mut command = Invocation {
                words,
                assignments: passed_assignments(&outer.words),
                ..Invocation::default()
            };
            command.inherit(outer);
            inside.push(command);
        }
        Ok(inside)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), SyntaxError> {
        self.inner_bytes += bytes;
        if self.inner_bytes > MAX_INNER_BYTES {
            return Err(SyntaxError::TooMuch {
                limit: MAX_INNER_BYTES,
            });
        }
        Ok(())
    }
}

impl Invocation {
    /// Takes over what a command has from the one that runs it.
    fn inherit(&mut self, outer: &Self) {
        if self.directory.is_none() {
            self.directory.clone_from(&outer.directory);
        }
        if self.input == Input::Inherited {
            self.input.clone_from(&outer.input);
        }
        self.found_below = match (program(&outer.words), &outer.input) {
            (Some("find"), _) => match script::output(outer) {
                Input::Found(places) => Some(places),
                Input::Inherited | Input::Unknown | Input::Text(_) => None,
            },
            (Some("xargs" | "parallel"), Input::Found(places)) => Some(Arc::clone(places)),
            _ => outer.found_below.clone(),
        };
    }
}

/// The name a program is known by: without its directory.
pub(super) fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

fn program(words: &[Word]) -> Option<&str> {
    words.first()?.fixed().map(base_name)
}

/// Functions that call themselves at least twice, one of these beside other commands.
fn multiplying(invocations: &[Invocation]) -> BTreeSet<Arc<str>> {
    let mut calls: BTreeMap<&Arc<str>, (usize, bool)> = BTreeMap::new();
    for invocation in invocations {
        if let (Some(within), Some(first)) = (&invocation.within, invocation.words.first())
            && **within == *first.text
        {
            let (count, concurrent) = calls.entry(within).or_default();
            *count += 1;
            *concurrent |= invocation.concurrent;
        }
    }
    let multiplies = |(name, (count, concurrent)): (&Arc<str>, (usize, bool))| {
        (count > 1 && concurrent).then(|| Arc::clone(name))
    };
    calls.into_iter().filter_map(multiplies).collect()
}
