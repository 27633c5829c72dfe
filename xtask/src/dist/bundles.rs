//! Bundles that a desktop client installs by a click (MCPB, manifest version 0.3), and what the MCP registry is
//! told of them (`server.json`, schema of 2025-12-11).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
// What zip compresses with.
use flate2 as _;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

use crate::process;

const LICENSE: &[u8] = include_bytes!("../../../LICENSE");
/// Where its files are, in the words of the manifest.
const HERE: &str = "${__dirname}";

/// What a person who installs it is told, and asked.
struct Offer {
    server: &'static str,
    title: &'static str,
    description: &'static str,
    /// Arguments, in the words of the manifest.
    arguments: &'static [&'static str],
    /// What `user_config` asks for.
    asked: fn() -> Value,
}

const OFFERS: &[Offer] = &[
    Offer {
        server: "omnipotent-mcp",
        title: "Hands on this machine",
        description: "Files, commands in a kernel sandbox, processes, HTTP and web pages, all bounded and audited",
        arguments: &["--root", "${user_config.root}"],
        asked: || {
            json!({ "root": {
                "type": "directory", "title": "Directory", "required": true,
                "description": "Files are read and written, and commands run, in it and nowhere else",
            } })
        },
    },
    Offer {
        server: "a2a-unified-mcp",
        title: "Shared memory",
        description: "Durable memory that agents share: searched by words and by meaning, offline, with history",
        arguments: &["--data-dir", "${user_config.data}"],
        asked: || {
            json!({ "data": {
                "type": "directory", "title": "Directory", "required": true,
                "description": "Where it is kept; other clients that name it share the memory",
            } })
        },
    },
];

/// Makes the bundle of a program in `to`, with the model beside it where there is one, and the texts of
/// the licences of what is linked in. Returns its file.
pub(crate) fn pack(
    program: &Path,
    model: Option<&Path>,
    licences: Option<&Path>,
    to: &Path,
) -> Result<PathBuf> {
    let offer = offer(program)?;
    let version = version(program)?;
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    let bundle = to.join(file_name(offer, &version));
    let mut zip = ZipWriter::new(File::create(&bundle)?);
    let manifest = format!("{:#}\n", manifest(offer, program, &version)?);
    let mut add = |name: &str, mode: u32, content: &mut dyn io::Read| -> Result<()> {
        // The same bytes whenever it is made.
        let options = SimpleFileOptions::default();
        let options = options.last_modified_time(DateTime::DEFAULT);
        zip.start_file(name, options.unix_permissions(mode))?;
        io::copy(content, &mut zip)?;
        Ok(())
    };
    add("manifest.json", 0o644, &mut manifest.as_bytes())?;
    add("LICENSE", 0o644, &mut &*LICENSE)?;
    if let Some(licences) = licences {
        add("LICENSES-OF-PARTS.txt", 0o644, &mut File::open(licences)?)?;
    }
    let entry = entry_point(offer);
    add(&entry, 0o755, &mut File::open(program)?)?;
    if let Some(model) = model {
        // The program looks beside itself.
        let name = format!("server/{}", mcp_embedding::FILE_NAME);
        add(&name, 0o644, &mut File::open(model)?)?;
        for terms in ["LICENSE", "NOTICE"] {
            let mut terms_of = File::open(model.with_file_name(terms))?;
            add(&format!("MODEL-{terms}"), 0o644, &mut terms_of)?;
        }
    }
    zip.finish()?;
    Ok(bundle)
}

/// What the registry is told of a bundle that `repository` (`owner/name`) releases under the tag of its
/// version.
pub(super) fn registered(program: &Path, bundle: &Path, repository: &str) -> Result<Value> {
    let offer = offer(program)?;
    let version = version(program)?;
    let (owner, _) = repository
        .split_once('/')
        .with_context(|| format!("a repository is OWNER/NAME, not {repository}"))?;
    let home = format!("https://github.com/{repository}");
    let file = file_name(offer, &version);
    Ok(json!({
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": format!("io.github.{owner}/{}", offer.server),
        "title": offer.title,
        "description": offer.description,
        "version": version,
        "repository": { "url": home, "source": "github" },
        "packages": [{
            "registryType": "mcpb",
            "identifier": format!("{home}/releases/download/v{version}/{file}"),
            "version": version,
            "fileSha256": mcp_embedding::sha256(&fs::read(bundle)?),
            "transport": { "type": "stdio" },
        }],
    }))
}

fn manifest(offer: &Offer, program: &Path, version: &str) -> Result<Value> {
    let reference = process::output(Command::new(program).arg("reference"))?;
    let reference: Value = serde_json::from_str(&reference).context("the reference is not JSON")?;
    let tools = reference.get("tools").and_then(Value::as_array);
    let tools = tools.context("the reference lacks `tools`")?.iter();
    let tools = tools.map(|tool| json!({ "name": tool["name"], "description": tool["summary"] }));
    let entry = entry_point(offer);
    Ok(json!({
        "manifest_version": "0.3",
        "name": offer.server,
        "display_name": offer.title,
        "version": version,
        "description": offer.description,
        "author": { "name": format!("The authors of {}", offer.server) },
        "license": "Apache-2.0",
        "server": {
            "type": "binary",
            "entry_point": entry,
            "mcp_config": {
                "command": format!("{HERE}/{entry}"),
                "args": offer.arguments,
                "env": {},
            },
        },
        "tools": tools.collect::<Vec<_>>(),
        "user_config": (offer.asked)(),
        "compatibility": { "platforms": ["linux"] },
    }))
}

fn offer(program: &Path) -> Result<&'static Offer> {
    let name = program.file_name().unwrap_or_default();
    let found = OFFERS.iter().find(|offer| name == offer.server);
    found.with_context(|| format!("no bundle is made of {}", program.display()))
}

/// As the program says it.
fn version(program: &Path) -> Result<String> {
    let said = process::output(Command::new(program).arg("--version"))?;
    let version = said.split_whitespace().nth(1);
    Ok(version.context("the program has no version")?.to_owned())
}

fn entry_point(offer: &Offer) -> String {
    format!("server/{}", offer.server)
}

fn file_name(offer: &Offer, version: &str) -> String {
    format!("{}-{version}-linux-x86_64.mcpb", offer.server)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Bytes of a description, at most, as the registry's schema has it.
    const DESCRIPTION: usize = 100;
    const PROGRAM: &str = r#"#!/bin/sh
case $1 in
--version) echo "a2a-unified-mcp 1.2.3" ;;
reference) echo '{"tools":[{"name":"recall","summary":"Reads.","title":"Recall"}]}' ;;
esac
"#;

    #[test]
    fn a_bundle_has_no_time_and_the_registry_is_told_its_sum() {
        let home = std::env::temp_dir().join(format!("xtask-bundles-{}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        let program = home.join("a2a-unified-mcp");
        fs::write(&program, PROGRAM).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let bundle = pack(&program, None, Some(&program), &home).unwrap();
        let first = fs::read(&bundle).unwrap();
        let mut packed = zip::ZipArchive::new(File::open(&bundle).unwrap()).unwrap();
        for (name, mode) in [
            ("manifest.json", 0o644),
            ("LICENSE", 0o644),
            ("LICENSES-OF-PARTS.txt", 0o644),
            ("server/a2a-unified-mcp", 0o755),
        ] {
            let file = packed.by_name(name).unwrap();
            assert_eq!(file.last_modified(), Some(DateTime::DEFAULT), "{name}");
            assert_eq!(file.unix_mode().unwrap() & 0o777, mode, "{name}");
        }

        let told = registered(&program, &bundle, "ann/memory-mcp").unwrap();
        assert_eq!(told["name"], "io.github.ann/a2a-unified-mcp");
        let package = &told["packages"][0];
        assert_eq!(package["fileSha256"], mcp_embedding::sha256(&first));
        assert_eq!(
            package["identifier"],
            "https://github.com/ann/memory-mcp/releases/download/v1.2.3/a2a-unified-mcp-1.2.3-linux-x86_64.mcpb"
        );
        let error = registered(&program, &bundle, "ann").unwrap_err();
        assert_eq!(error.to_string(), "a repository is OWNER/NAME, not ann");
        let other = home.join("other");
        let error = pack(&other, None, None, &home).unwrap_err().to_string();
        assert!(error.starts_with("no bundle is made of"), "{error}");
        fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn the_registry_takes_every_description() {
        for offer in OFFERS {
            let length = offer.description.len();
            assert!(length <= DESCRIPTION, "{}: {length}", offer.server);
        }
    }
}
