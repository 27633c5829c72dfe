//! Sub-commands that work on the file instead of serving it.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use a2a_unified_mcp::config::ENVIRONMENT_PREFIX;
use a2a_unified_mcp::import::{self, Event, Outcome};
use a2a_unified_mcp::server::Start;
use a2a_unified_mcp::store::{Depth, Store};
use a2a_unified_mcp::{Config, IDENTITY, Server};
use anyhow::Context;
use mcp_serve::program::show;

use crate::cli::Import;

/// How often an import says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Writes a copy of the file.
pub(crate) async fn back_up(file: &Path, to: &Path, config: &Config) -> anyhow::Result<ExitCode> {
    let store = open_existing(file, config).await?;
    let copied = store.back_up(to).await;
    store.close().await;
    copied?;
    show(&format!("{} holds what was remembered\n", to.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Puts a backup in the place of the file.
pub(crate) async fn restore(file: &Path, from: &Path, config: &Config) -> anyhow::Result<ExitCode> {
    let restored = Store::restore(file, from, &config.store).await;
    let aside = restored.with_context(|| format!("{} is not restored", file.display()))?;
    let kept = aside.map_or_else(String::new, |aside| {
        format!("what was there is {} now\n", aside.display())
    });
    show(&format!("{} is restored\n{kept}", file.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Looks over the file; an error when something is wrong.
pub(crate) async fn diagnose(
    file: &Path,
    config: &Config,
    repair: bool,
) -> anyhow::Result<ExitCode> {
    let store = open_existing(file, config).await?;
    if repair {
        store.rebuild_index().await?;
        show("the full-text index was made anew\n")?;
    }
    let wrong = store.check(Depth::Indexes).await?;
    let stats = store.stats().await?;
    store.close().await;
    let file = file.display();
    let (entries, history) = (stats.entries, stats.history);
    show(&format!(
        "{file}: {entries} entries, {history} earlier revisions\n"
    ))?;
    for line in &wrong {
        show(&format!("wrong: {line}\n"))?;
    }
    anyhow::ensure!(
        wrong.is_empty(),
        "the file is damaged: `{} doctor --repair` mends the full-text index, `restore` the rest",
        IDENTITY.name
    );
    show("sound: pages, indexes and full-text index\n")?;
    Ok(ExitCode::SUCCESS)
}

/// Takes over what another memory server kept; an error when anything of it was not.
pub(crate) async fn import(
    file: &Path,
    import: &Import,
    config: &Config,
) -> anyhow::Result<ExitCode> {
    let store = open(file, config).await?;
    let (origin, from) = ((import.from, &*import.file), (&store, &config.store));
    let mut last = Instant::now();
    let mut tell = |event: Event<'_>| match event {
        Event::Refused { place, reason } => say(&format!("not imported: {place}: {reason}")),
        Event::LeftOut(what) => say(&format!("left out: {what}")),
        Event::Progress(outcome) if last.elapsed() >= PROGRESS_EVERY => {
            last = Instant::now();
            say(&format!("{} read so far", outcome.read));
        }
        Event::Progress(_) => {}
    };
    let imported = import::import(origin, from, &import.options(), &mut tell).await;
    store.close().await;
    let imported = imported.with_context(|| import.file.display().to_string())?;
    show(&summary(&imported, import.dry_run))?;
    anyhow::ensure!(
        imported.refused == 0,
        "{} of {} could not be imported; each is named above",
        imported.refused,
        imported.read
    );
    Ok(ExitCode::SUCCESS)
}

fn summary(outcome: &Outcome, dry_run: bool) -> String {
    let Outcome {
        read,
        adopted,
        refused,
    } = outcome;
    let same = adopted.skipped - adopted.kept;
    let prefix = if dry_run { "nothing was written; " } else { "" };
    format!(
        "{prefix}{read} read: {} new, {} changed, {same} there already, {} left as they are here, \
         {refused} not imported\n",
        adopted.created, adopted.updated, adopted.kept
    )
}

#[expect(clippy::print_stderr, reason = "tells the operator how it goes")]
fn say(line: &str) {
    eprintln!("{line}");
}

/// Of a mistyped directory there is nothing to say.
async fn open_existing(file: &Path, config: &Config) -> anyhow::Result<Store> {
    anyhow::ensure!(file.exists(), "{} does not exist", file.display());
    open(file, config).await
}

async fn open(file: &Path, config: &Config) -> anyhow::Result<Store> {
    let opened = Store::open(file, &config.store).await;
    opened.with_context(|| file.display().to_string())
}

/// Prints the tools, configuration keys and metrics. Nothing of the user's is opened for it.
pub(crate) async fn reference(mut config: Config, start: Start) -> anyhow::Result<ExitCode> {
    let name = format!("{}-reference-{}", IDENTITY.name, std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir(&directory).context("there is no room for a file")?;
    config.data.directory = Some(directory.clone());
    let server = Server::build(config, start).await;
    let printed = match &server {
        Ok(server) => {
            let reference = mcp_serve::reference::<Config>(server.pipeline(), ENVIRONMENT_PREFIX);
            show(&format!("{reference:#}\n"))
        }
        Err(_) => Ok(()),
    };
    if let Ok(server) = &server {
        server.store().close().await;
    }
    std::fs::remove_dir_all(&directory).context("the file is left")?;
    server?;
    printed?;
    Ok(ExitCode::SUCCESS)
}
