//! The bill of materials of a server: `CycloneDX` 1.5 as JSON (<https://cyclonedx.org/docs/1.5/json/>).

use anyhow::Result;
use serde_json::{Value, json};

use super::linked::Linked;
use crate::workspace::Workspace;

/// The document. It says neither when nor where it was made, so that it can be compared.
pub(super) fn of(workspace: &Workspace, server: &str, linked: &[Linked]) -> Result<String> {
    let version = workspace.version(server)?;
    let own = format!("pkg:cargo/{server}@{version}");
    let components: Vec<Value> = linked.iter().map(component).collect();
    let parts: Vec<&Value> = components
        .iter()
        .filter_map(|part| part.get("bom-ref"))
        .collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": {
            "type": "application",
            "bom-ref": own,
            "name": server,
            "version": version,
            "purl": own,
            "licenses": [{ "expression": "Apache-2.0" }],
        } },
        "components": components,
        "dependencies": [{ "ref": own, "dependsOn": parts }],
    });
    Ok(format!("{document:#}\n"))
}

fn component(package: &Linked) -> Value {
    let url = format!("pkg:cargo/{}@{}", package.name, package.version);
    json!({
        "type": "library",
        "bom-ref": url,
        "name": package.name,
        "version": package.version,
        "purl": url,
        "hashes": [{ "alg": "SHA-256", "content": package.sha256 }],
        // Older manifests write `/` for OR.
        "licenses": [{ "expression": package.licence.replace('/', " OR ") }],
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_component_says_what_it_is_and_how_to_check_it() {
        let package = Linked {
            name: "a".to_owned(),
            version: "1.2.3".to_owned(),
            licence: "MIT/Apache-2.0".to_owned(),
            directory: PathBuf::new(),
            sha256: "00ff".to_owned(),
        };
        let expected = json!({
            "type": "library",
            "bom-ref": "pkg:cargo/a@1.2.3",
            "name": "a",
            "version": "1.2.3",
            "purl": "pkg:cargo/a@1.2.3",
            "hashes": [{ "alg": "SHA-256", "content": "00ff" }],
            "licenses": [{ "expression": "MIT OR Apache-2.0" }],
        });
        assert_eq!(component(&package), expected);
    }
}
