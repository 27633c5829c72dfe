//! Replacements that come to nothing: replicas that do not start or end too early, a script that is told to end.
//! Calls go to the replicas that were there, none fails, and nothing is left of the new ones.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Stack;
use super::containers::until;
use super::load::Load;
use super::scaled::{REPLICAS, await_answers, images, report};
use crate::process::Grouped;

/// For replicas to start or be noticed to have ended, and for the script to take them back.
const PATIENCE: Duration = Duration::from_mins(1);
/// Longer than any of it takes, so that it is never why the script ends.
const DRAIN: Duration = Duration::from_mins(2);
/// How long calls go to the new replicas before one of them ends.
const GLANCE: Duration = Duration::from_secs(1);
const CHAPTER: &str = "Upgrade without a pause";
/// The colour in force, and the one that comes to nothing.
const OLD: &str = "green";
const NEW: &str = "blue";

/// Each setback of `omnipotent-mcp`, while clients call.
pub(super) fn are_taken_back(stack: &mut Stack<'_>, load: &mut Load) -> Result<()> {
    let kept = images(stack)?;
    stack.place.spoil_image()?;
    let before = stack.guide.printed()?.len();
    let spoiled = stack.guide.again(CHAPTER);
    ensure!(spoiled.is_err(), "a program that does not start is taken");
    is_said(stack, before, "blue-green: a new replica ended (")?;
    is_as_before(stack, &kept)?;
    let records = load.take()?;
    ensure!(
        records.iter().all(|record| !record.saw(NEW)),
        "what does not start is asked: {records:?}"
    );
    report("a new colour that does not start", &records);

    ensure!(image(stack)? != kept, "there is nothing to be taken back");
    stack.chapter("After an upgrade that failed")?;
    ensure!(image(stack)? == kept, "the image is not the one before");

    ends_too_early(stack, load)?;
    is_as_before(stack, &kept)?;
    is_told_to_end(stack, load)?;
    is_as_before(stack, &kept)
}

/// A new replica ends when calls have gone over.
fn ends_too_early(stack: &Stack<'_>, load: &mut Load) -> Result<()> {
    let before = stack.guide.printed()?.len();
    let mut script = stack.guide.start(CHAPTER, DRAIN)?;
    await_words(stack, before, &format!("blue-green: calls go to {NEW}"))?;
    thread::sleep(GLANCE);
    let replicas = replicas(stack)?;
    let first = replicas.first().context("there is no new replica")?;
    stack.engine.ask(&["stop", first])?;
    failed(script.wait(PATIENCE)?)?;
    is_said(stack, before, "does not answer any more")?;
    let records = load.take()?;
    ensure!(
        records.iter().any(|record| record.saw(NEW)),
        "no call had gone over: {records:?}"
    );
    ensure!(
        records.iter().all(|record| record.reopened == 0),
        "a session was lost: {records:?}"
    );
    report("a new replica that ended too early", &records);
    await_answers(load, OLD, REPLICAS)
}

/// The script is told to end when it has started new replicas.
fn is_told_to_end(stack: &Stack<'_>, load: &mut Load) -> Result<()> {
    let before = stack.guide.printed()?.len();
    let script: Grouped = stack.guide.start(CHAPTER, DRAIN)?;
    until("new replicas", PATIENCE, || {
        Ok(replicas(stack)?.len() == REPLICAS)
    })?;
    failed(script.stop(PATIENCE)?)?;
    is_said(stack, before, "blue-green: taking back")?;
    await_answers(load, OLD, REPLICAS)
}

fn failed(status: Option<std::process::ExitStatus>) -> Result<()> {
    let status = status.context("the script does not end")?;
    ensure!(!status.success(), "the script says that all is well");
    Ok(())
}

/// The new replicas, those that do not run too.
fn replicas(stack: &Stack<'_>) -> Result<Vec<String>> {
    let colour = format!("label=colour={NEW}");
    let service = "label=com.docker.compose.service=omnipotent-mcp";
    let listed = [
        "ps", "--all", "--quiet", "--filter", service, "--filter", &colour,
    ];
    let replicas = stack.engine.ask(&listed)?;
    Ok(replicas.split_whitespace().map(str::to_owned).collect())
}

/// The image that the next replicas of `omnipotent-mcp` would run from.
fn image(stack: &Stack<'_>) -> Result<BTreeSet<String>> {
    let inspect = ["image", "inspect", "--format", "{{.Id}}", "omnipotent-mcp"];
    let image = stack.engine.ask(&inspect)?;
    Ok(BTreeSet::from([image.trim().to_owned()]))
}

/// The replicas are those that were, none is left of the new ones, and the colour in force is kept.
fn is_as_before(stack: &Stack<'_>, kept: &BTreeSet<String>) -> Result<()> {
    let left = replicas(stack)?;
    ensure!(left.is_empty(), "{left:?} are left");
    ensure!(images(stack)? == *kept, "the replicas are other ones");
    stack.place.colour_is_kept(OLD)
}

/// Whether commands have printed something since their output had a length.
fn has_said(stack: &Stack<'_>, before: usize, words: &str) -> Result<bool> {
    let printed = stack.guide.printed()?;
    Ok(printed.get(before..).unwrap_or_default().contains(words))
}

fn is_said(stack: &Stack<'_>, before: usize, words: &str) -> Result<()> {
    let is_said = has_said(stack, before, words)?;
    ensure!(is_said, "`{words}` is not said");
    Ok(())
}

fn await_words(stack: &Stack<'_>, before: usize, words: &str) -> Result<()> {
    until(words, PATIENCE, || has_said(stack, before, words))?;
    Ok(())
}
