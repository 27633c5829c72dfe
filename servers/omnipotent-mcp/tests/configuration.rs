//! What holds for every configuration file.

use mcp_serve::config::{Sources, load};
use omnipotent_mcp::Config;
use proptest::prelude::*;

fn accepts(text: &str) -> bool {
    let sources = Sources {
        file: Some(("config.toml".to_owned(), text.to_owned())),
        prefix: "OMNIPOTENT_",
        ..Sources::default()
    };
    load::<Config>(&sources).is_ok()
}

proptest! {
    #[test]
    fn a_key_that_nobody_knows_is_refused(
        section in proptest::sample::select(&["files", "commands", "egress", "rate", "http"][..]),
        key in "x_[a-z]{1,12}",
    ) {
        let text = format!("[{section}]\n{key} = 1\n");
        prop_assert!(!accepts(&text), "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        accepts(&text);
    }

    #[test]
    fn no_row_of_settings_makes_it_panic(parts in proptest::collection::vec(
        proptest::sample::select(&[
            "[files]\n", "[egress]\n", "[[commands.rules]]\n", "roots", "allow_networks", " = ",
            "[", "]", "\"", "\"10.0.0.0/8\"", "\"/\"", "{", "}", "id", "=", "1", "-1", "\n", ",",
            "program", "true", "\"30s\"", "connect_timeout",
        ][..]),
        0..24,
    )) {
        accepts(&parts.concat());
    }
}
