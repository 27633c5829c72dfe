//! What input schemas advertise is enforced: wrong arguments are made from the schemas themselves.

use jsonschema::draft202012;
use mcp_tests::{Era, Peer, Reply, Setup, Stdio, assert_names, wrong_arguments};
use serde_json::{Value, json};

use crate::samples::required;

#[test]
fn every_advertised_bound_is_enforced_and_named() {
    let mut server = Setup::unlimited().stdio(Era::Modern);
    let mut checked = 0;
    for tool in server.tools() {
        let name = tool["name"].as_str().unwrap();
        let schema = &tool["inputSchema"];
        let validator = draft202012::new(schema).unwrap();
        for (property, arguments) in wrong_arguments(&required(name), schema) {
            assert!(
                !validator.is_valid(&arguments),
                "{name} `{property}`: the schema allows it"
            );
            assert_refused(&mut server, name, &property, &arguments);
            checked += 1;
        }
    }
    assert!(checked > 150, "only {checked} wrong arguments were made");
}

/// Calls the tool and checks that the refusal names the argument.
fn assert_refused(server: &mut Stdio, tool: &str, property: &str, arguments: &Value) {
    let shown = format!("{tool} with {arguments:.200}");
    let call = server.send(
        "tools/call",
        json!({ "name": tool, "arguments": arguments }),
    );
    let reply = Reply::new(server.answer(call));
    assert!(reply.is_error(), "{shown} was answered");
    assert_names(&reply.error(), property, &shown);
}
