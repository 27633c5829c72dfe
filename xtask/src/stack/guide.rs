//! The operations guide, taken at its word: its commands are the test's.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::engine::Engine;
use super::place::Place;
use crate::process::{self, Grouped};

/// For one command; building an image takes seconds.
const LIMIT: Duration = Duration::from_mins(3);

/// What sessions have instead of five minutes when their replica is replaced.
pub(super) const DRAIN: Duration = Duration::from_secs(4);

/// The guide, and where its commands are run.
pub(super) struct Guide {
    chapters: Vec<Chapter>,
    followed: BTreeSet<String>,
    directory: PathBuf,
    environment: Vec<(&'static str, String)>,
    compose: &'static str,
    log: PathBuf,
}

#[derive(Debug, PartialEq, Eq)]
struct Chapter {
    title: String,
    commands: Vec<String>,
}

impl Guide {
    pub(super) fn read(place: &Place, engine: &Engine) -> Result<Self> {
        let path = place.deploy.join("README.md");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut environment = engine.environment();
        environment.push(("DRAIN", DRAIN.as_secs().to_string()));
        Ok(Self {
            chapters: chapters(&text),
            followed: BTreeSet::new(),
            directory: place.deploy.join("compose"),
            environment,
            compose: engine.compose(),
            log: place.log.clone(),
        })
    }

    /// Runs the commands of a chapter; returns what they printed.
    pub(super) fn follow(&mut self, title: &str) -> Result<String> {
        self.followed.insert(title.to_owned());
        self.again(title)
    }

    /// Runs the commands of a chapter once more.
    pub(super) fn again(&self, title: &str) -> Result<String> {
        let chapter = self.chapters.iter().find(|chapter| chapter.title == title);
        let chapter = chapter.with_context(|| format!("the guide has no chapter `{title}`"))?;
        let mut said = String::new();
        for command in &chapter.commands {
            said += &self
                .run(command)
                .with_context(|| format!("chapter `{title}`; see {}", self.log.display()))?;
        }
        Ok(said)
    }

    /// Fails when a chapter with commands was left out.
    pub(super) fn was_followed(&self) -> Result<()> {
        let left: Vec<&str> = self
            .chapters
            .iter()
            .filter(|chapter| !chapter.commands.is_empty())
            .map(|chapter| chapter.title.as_str())
            .filter(|title| !self.followed.contains(*title))
            .collect();
        ensure!(left.is_empty(), "the test leaves out the chapters {left:?}");
        Ok(())
    }

    /// Starts the last command of a chapter with as many seconds for sessions to end.
    pub(super) fn start(&self, title: &str, drain: Duration) -> Result<Grouped> {
        let chapter = self.chapters.iter().find(|chapter| chapter.title == title);
        let command = chapter.and_then(|chapter| chapter.commands.last());
        let command = command.with_context(|| format!("the guide has nothing in `{title}`"))?;
        // Its end is the command's end, also when it is told to.
        let mut shell = self.shell(&format!("exec {command}"));
        shell.env("DRAIN", drain.as_secs().to_string());
        process::start_logged(&mut shell, &self.log)
    }

    /// What all commands have printed.
    pub(super) fn printed(&self) -> Result<String> {
        let log = &self.log;
        fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))
    }

    fn run(&self, line: &str) -> Result<String> {
        process::output_logged(&mut self.shell(line), LIMIT, &self.log)
    }

    fn shell(&self, line: &str) -> Command {
        let line = line.replace("docker compose", self.compose);
        let mut shell = Command::new("sh");
        shell.args(["-euc", &line]).current_dir(&self.directory);
        shell.envs(self.environment.iter().map(|(name, value)| (name, value)));
        shell
    }
}

/// The chapters of a guide; a command is a line of a code block that starts with `$ `.
fn chapters(text: &str) -> Vec<Chapter> {
    let mut chapters: Vec<Chapter> = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        } else if let (false, Some(title)) = (in_code, line.strip_prefix("## ")) {
            chapters.push(Chapter {
                title: title.to_owned(),
                commands: Vec::new(),
            });
        } else if let (true, Some(command), Some(chapter)) =
            (in_code, line.strip_prefix("$ "), chapters.last_mut())
        {
            chapter.commands.push(command.to_owned());
        }
    }
    chapters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_commands_of_each_chapter() {
        let text =
            "# T\n\n## One\n\n```console\n$ a b\nsaid\n$ c\n## no title\n```\n\n$ d\n\n## Two\n";
        let chapter = |title: &str, commands: &[&str]| Chapter {
            title: title.to_owned(),
            commands: commands.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(
            chapters(text),
            [chapter("One", &["a b", "c"]), chapter("Two", &[])]
        );
    }
}
