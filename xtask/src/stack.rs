//! The containers of `deploy/` on a real engine, operated as `deploy/README.md` says.
//!
//! Everything happens on an engine of its own, so that a machine's own containers, images and volumes
//! are neither seen nor touched.

mod alerts;
mod claude;
mod confinement;
mod containers;
mod engine;
mod guide;
mod images;
mod load;
mod place;
mod scaled;
mod setbacks;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use self::engine::Engine;
use self::guide::Guide;
use self::place::Place;
use crate::workspace::Workspace;

/// What the parts of the test work with.
struct Stack<'a> {
    workspace: &'a Workspace,
    engine: &'a Engine,
    place: &'a Place,
    guide: Guide,
}

/// `cargo xtask stack test [--built DIR]`: the servers are built first unless a directory has them.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let built = match args {
        [test] if test == "test" => None,
        [test, flag, path] if test == "test" && flag == "--built" => {
            Some(std::path::absolute(path)?)
        }
        _ => bail!("usage: cargo xtask stack test [--built DIR]"),
    };
    let home = workspace.target()?.join("stack");
    let engine = match Engine::start(&home) {
        Ok(engine) => engine,
        // A machine without an engine says nothing about the change that is tested.
        Err(reason) => {
            println!("stack: skipped, because {reason:#}");
            return Ok(());
        }
    };
    let started = Instant::now();
    let tested = test(workspace, &engine, built, &home);
    let stopped = engine.stop().context("cannot stop the engine");
    first_of(tested, stopped)?;
    println!(
        "stack: all is well ({:.0} s)",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

fn test(workspace: &Workspace, engine: &Engine, built: Option<PathBuf>, home: &Path) -> Result<()> {
    let built = match built {
        Some(built) => built,
        None => workspace.build_servers("ci")?,
    };
    let place = Place::lay_out(workspace, &built, home)?;
    let guide = Guide::read(&place, engine)?;
    let mut stack = Stack {
        workspace,
        engine,
        place: &place,
        guide,
    };
    let operated = operate(&mut stack);
    if operated.is_err() {
        let reported = containers::report_state(&stack);
        return first_of(operated, reported);
    }
    operated
}

/// What failed first is what is returned; what failed in its wake is only told.
fn first_of(first: Result<()>, later: Result<()>) -> Result<()> {
    if let (Err(_), Err(later)) = (&first, &later) {
        eprintln!("xtask: afterwards: {later:#}");
    }
    first.and(later)
}

/// One chapter of the guide after the other, each with what must be true after it.
fn operate(stack: &mut Stack<'_>) -> Result<()> {
    stack.chapter("Build the images")?;
    containers::report_images(stack)?;
    containers::are_carried_as_archives(stack)?;
    stack.chapter("Make the tokens")?;
    let started = Instant::now();
    stack.chapter("Start")?;
    containers::await_service(stack, started)?;
    confinement::are_confined(stack)?;
    confinement::are_limited(stack)?;
    containers::report_memory(stack, "idle", containers::SERVERS.len())?;
    containers::become_healthy(stack, started)?;
    let said = stack.chapter("Status")?;
    containers::tiers_are(&said, &["landlock", "strict"])?;

    claude::commands_keep_to_their_place(stack)?;
    claude::snippets_work(stack)?;
    claude::bridges_end_with_their_clients(stack)?;
    claude::tokens_are_asked_for(stack)?;
    alerts::targets_are_scraped(stack)?;
    alerts::panels_show_something(stack)?;
    stack.chapter("Watch")?;
    alerts::come_and_go(stack)?;

    claude::remember(stack, "kept", "before the backup")?;
    stack.chapter("Back up and restore")?;
    claude::recalls(stack, "kept", "before the backup")?;
    let before = place::token(stack.place)?;
    stack.chapter("Rotate a token")?;
    claude::token_was_rotated(stack, &before)?;
    let old = containers::image(stack)?;
    stack.place.change_image()?;
    stack.chapter("Upgrade")?;
    ensure!(
        containers::image(stack)? != old,
        "the new image is not used"
    );
    stack.chapter("Go back")?;
    ensure!(
        containers::image(stack)? == old,
        "the old image is not used"
    );
    stack.chapter("Look inside")?;
    stack.chapter("Stop")?;
    containers::are_gone(stack, true)?;
    scaled::serve(stack)?;
    scaled::are_replaced(stack)?;
    stack.chapter("Stop what was scaled")?;
    containers::are_gone(stack, true)?;
    stack.guide.again("Start")?;
    claude::recalls(stack, "kept", "before the backup")?;
    stack.chapter("Uninstall")?;
    containers::are_gone(stack, false)?;
    stack.guide.was_followed()
}

impl Stack<'_> {
    /// Runs what a chapter of the guide says; returns what it printed.
    fn chapter(&mut self, title: &str) -> Result<String> {
        let started = Instant::now();
        let said = self.guide.follow(title)?;
        let seconds = started.elapsed().as_secs_f64();
        println!("stack {title:<22} ok ({seconds:.1} s)");
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_told() {
        let failed = |what: &'static str| -> Result<()> { bail!(what) };
        let told = |result: Result<()>| result.unwrap_err().to_string();
        assert_eq!(told(first_of(failed("test"), failed("end"))), "test");
        assert_eq!(told(first_of(Ok(()), failed("end"))), "end");
        assert_eq!(told(first_of(failed("test"), Ok(()))), "test");
        assert!(first_of(Ok(()), Ok(())).is_ok());
    }
}
