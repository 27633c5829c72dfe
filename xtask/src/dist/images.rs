//! What the images are built from: a folder for each server, as `deploy/docker/Dockerfile` takes it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// Whether the embedding model is shipped with a server.
pub(super) fn has_model(server: &str) -> bool {
    server == "a2a-unified-mcp"
}

/// Lays out `to/<server>/{bin,etc,share}` from the programs in `built`.
pub(crate) fn lay_out(workspace: &Workspace, built: &Path, to: &Path) -> Result<()> {
    for server in workspace.servers()? {
        let context = to.join(&server);
        for part in ["bin", "etc", "share"] {
            let part = context.join(part);
            fs::create_dir_all(&part)
                .with_context(|| format!("cannot create {}", part.display()))?;
        }
        copy(&built.join(&server), &context.join("bin").join(&server))?;
        let configuration = workspace.root.join("deploy/docker").join(&server);
        copy(
            &configuration.with_extension("toml"),
            &context.join("etc/config.toml"),
        )?;
        copy(
            &workspace.root.join("LICENSE"),
            &context.join("share/LICENSE"),
        )?;
        if has_model(&server) {
            model(workspace, &context.join("share"), "MODEL-")?;
        }
    }
    Ok(())
}

/// Puts the embedding model into a directory, with what must go with it under names that start with
/// `prefix`.
pub(super) fn model(workspace: &Workspace, to: &Path, prefix: &str) -> Result<()> {
    let model = crate::model::ensure_made(workspace)?;
    copy(&model, &to.join(mcp_embedding::FILE_NAME))?;
    for terms in ["LICENSE", "NOTICE"] {
        copy(
            &model.with_file_name(terms),
            &to.join(format!("{prefix}{terms}")),
        )?;
    }
    Ok(())
}

/// Copies the files of `deploy/` that git knows: whoever operates the containers has secrets beside them.
pub(crate) fn deploy(workspace: &Workspace, to: &Path) -> Result<()> {
    for file in workspace.files()? {
        let Some(place) = file.strip_prefix("deploy/") else {
            continue;
        };
        let place = to.join(place);
        let directory = place.parent().unwrap_or(to);
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        copy(&workspace.root.join(&file), &place)?;
    }
    Ok(())
}

/// Copies a file with its permissions.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = fs::copy(from, to);
    copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}
