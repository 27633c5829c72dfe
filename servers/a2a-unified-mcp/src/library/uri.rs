//! `memory://{source}/{category}/{key}`: the URI of an entry, each part percent-encoded (RFC 3986).

use std::fmt::Write;

use crate::knowledge::{Category, Identity, Key, Source};

/// How URIs of entries are made (RFC 6570, level 1).
pub const TEMPLATE: &str = "memory://{source}/{category}/{key}";

const SCHEME: &str = "memory";

/// The URI of an entry: one for each, whatever its names hold.
pub fn uri_of(identity: &Identity) -> String {
    let Identity {
        source,
        category,
        key,
    } = identity;
    let parts = [source.as_str(), category.as_str(), key.as_str()];
    let mut uri = format!("{SCHEME}:/");
    for part in parts {
        uri.push('/');
        encode(part, &mut uri);
    }
    uri
}

/// The entry that a URI names, whether there is one or not. `None` for what is no URI of an entry.
///
/// What needed no encoding may be encoded, and characters may stand for themselves, but for those
/// that end a part. Names are taken as they are: a file of the original system has some that could
/// not be made today.
pub fn identity_of(uri: &str) -> Option<Identity> {
    let (scheme, rest) = uri.split_once("://")?;
    if !scheme.eq_ignore_ascii_case(SCHEME) || rest.contains(['?', '#']) {
        return None;
    }
    let mut parts = rest.split('/').map(decode);
    let identity = Identity {
        source: Source::stored(parts.next()??),
        category: Category::stored(parts.next()??),
        key: Key::stored(parts.next()??),
    };
    parts.next().is_none().then_some(identity)
}

/// Everything but unreserved characters is encoded (RFC 3986, sections 2.1 and 2.3).
fn encode(part: &str, uri: &mut String) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            uri.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            write!(uri, "%{byte:02X}").unwrap_or_default();
        }
    }
}

fn decode(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let value = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn identity(source: &str, category: &str, key: &str) -> Identity {
        Identity {
            source: Source::stored(source.to_owned()),
            category: Category::stored(category.to_owned()),
            key: Key::stored(key.to_owned()),
        }
    }

    #[test]
    fn each_part_is_encoded() {
        let parts = identity("user", "a/b c", "ключ?#%");
        assert_eq!(
            uri_of(&parts),
            "memory://user/a%2Fb%20c/%D0%BA%D0%BB%D1%8E%D1%87%3F%23%25"
        );
    }

    #[test]
    fn other_spellings_are_understood() {
        let expected = Some(identity("user", "a b", "k-1"));
        for uri in [
            "memory://user/a%20b/k-1",
            "MEMORY://%75ser/a b/k%2d1",
            "memory://user/a%20b/k%2D1",
        ] {
            assert_eq!(identity_of(uri), expected, "{uri}");
        }
    }

    #[test]
    fn what_is_no_uri_of_an_entry_is_none() {
        for uri in [
            "",
            "memory:",
            "memory://user",
            "memory://user/general",
            "memory://user/general/key/more",
            "memory://user/general/key?x",
            "memory://user/general/key#x",
            "memory://user/general/%",
            "memory://user/general/%4",
            "memory://user/general/%+4",
            "memory://user/general/%FF",
            "file:///user/general/key",
        ] {
            assert_eq!(identity_of(uri), None, "{uri}");
        }
    }

    proptest! {
        #[test]
        fn every_identity_has_a_uri_of_its_own(parts in any::<(String, String, String)>()) {
            let expected = identity(&parts.0, &parts.1, &parts.2);
            let uri = uri_of(&expected);
            prop_assert!(uri.is_ascii());
            prop_assert_eq!(identity_of(&uri), Some(expected));
        }

        #[test]
        fn no_text_is_too_strange(text in any::<String>()) {
            if let Some(identity) = identity_of(&format!("memory://{text}")) {
                prop_assert_eq!(identity_of(&uri_of(&identity)), Some(identity));
            }
        }
    }
}
