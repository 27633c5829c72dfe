//! Turns a body into text, as browsers do.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use mcp_egress::Completeness;

/// Bytes at the start of a document that are searched for its encoding (HTML standard, section
/// 13.2.3.2 "Determining the character encoding").
const PRESCANNED: usize = 1024;

/// A body that is text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded<'a> {
    /// The text, without a byte order mark.
    pub(super) text: Cow<'a, str>,
    /// The name of the encoding it came in, in lower case.
    pub(super) charset: String,
}

/// The text of `body`; `None` when it is binary. A body that was cut may end within a character,
/// which is dropped.
pub(super) fn decode<'a>(
    body: &'a [u8],
    content_type: Option<&str>,
    completeness: Completeness,
) -> Option<Decoded<'a>> {
    let kind = content_type.map_or(Kind::Unknown, Kind::of);
    let whole = match completeness {
        Completeness::Whole => body,
        Completeness::Cut => without_half_character(body),
    };
    let is_utf8 = std::str::from_utf8(whole).is_ok();
    let marked = Encoding::for_bom(body).map(|(encoding, _)| encoding);
    let looks_like_text = marked.is_some() || (is_utf8 && !whole.contains(&0));
    if kind == Kind::Binary || (kind == Kind::Unknown && !looks_like_text) {
        return None;
    }
    let encoding = marked
        .or_else(|| labelled(content_type?))
        .or_else(|| announced(body.get(..PRESCANNED).unwrap_or(body)))
        .unwrap_or(if is_utf8 { UTF_8 } else { WINDOWS_1252 });
    let bytes = if encoding == UTF_8 { whole } else { body };
    let (text, _) = encoding.decode_with_bom_removal(bytes);
    Some(Decoded {
        text,
        charset: encoding.name().to_ascii_lowercase(),
    })
}

/// Whether a content type is a page that a browser renders from markup.
pub(super) fn is_html(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|value| {
        matches!(
            essence(value).as_str(),
            "text/html" | "application/xhtml+xml"
        )
    })
}

/// What a content type says of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Binary,
    Unknown,
}

impl Kind {
    fn of(content_type: &str) -> Self {
        let essence = essence(content_type);
        match essence.split_once('/') {
            Some(("text", _)) => Self::Text,
            Some((_, subtype)) if subtype.ends_with("json") || subtype.ends_with("xml") => {
                Self::Text
            }
            Some(("application", "javascript" | "ecmascript" | "x-www-form-urlencoded")) => {
                Self::Text
            }
            Some(
                ("image" | "audio" | "video" | "font", _)
                | ("application", "pdf" | "zip" | "gzip" | "wasm"),
            ) => Self::Binary,
            Some(_) | None => Self::Unknown,
        }
    }
}

fn essence(content_type: &str) -> String {
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// The encoding that the `charset` parameter of a content type names.
fn labelled(content_type: &str) -> Option<&'static Encoding> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let label = value.trim().trim_matches(['"', '\'']);
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| Encoding::for_label(label.as_bytes()))?
    })
}

/// The encoding that a `meta` element or an XML declaration names.
fn announced(start: &[u8]) -> Option<&'static Encoding> {
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    let declared = start
        .split('<')
        .filter(|tag| tag.starts_with("meta") || tag.starts_with("?xml"))
        .find_map(|tag| {
            let (_, rest) = tag
                .split_once("charset")
                .or_else(|| tag.split_once("encoding"))?;
            let value = rest.trim_start().strip_prefix('=')?.trim_start();
            let value = value.trim_start_matches(['"', '\'']);
            value
                .split(['"', '\'', ' ', ';', '/', '>', '?'])
                .next()
                .map(str::to_owned)
        })?;
    match Encoding::for_label(declared.as_bytes())? {
        // The declaration itself was readable as ASCII, so it cannot be UTF-16.
        encoding if encoding.is_ascii_compatible() => Some(encoding),
        _ => Some(UTF_8),
    }
}

/// `body` without a UTF-8 character that its end cuts.
fn without_half_character(body: &[u8]) -> &[u8] {
    match std::str::from_utf8(body) {
        Err(error) if error.error_len().is_none() => {
            body.get(..error.valid_up_to()).unwrap_or(body)
        }
        Ok(_) | Err(_) => body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &[u8], content_type: Option<&str>, expected: Option<(&str, &str)>) {
        let decoded = decode(body, content_type, Completeness::Whole);
        let got = decoded
            .as_ref()
            .map(|it| (it.text.as_ref(), it.charset.as_str()));
        assert_eq!(got, expected, "{content_type:?}");
    }

    #[test]
    fn finds_the_encoding_as_browsers_do() {
        check(b"caf\xc3\xa9", Some("text/plain"), Some(("café", "utf-8")));
        check(
            b"caf\xe9",
            Some("text/plain"),
            Some(("café", "windows-1252")),
        );
        check(
            b"caf\xe9",
            Some("text/plain; charset=ISO-8859-1"),
            Some(("café", "windows-1252")),
        );
        check(
            b"caf\xe9",
            Some("text/html; Charset=\"latin1\""),
            Some(("café", "windows-1252")),
        );
        check(
            b"\x93\xfa\x96\x7b",
            Some("text/plain; charset=shift_jis"),
            Some(("日本", "shift_jis")),
        );
        check(
            b"\xc4\xe3",
            Some("text/html;charset=gb2312"),
            Some(("你", "gbk")),
        );
        check(
            b"\xef\xbb\xbfa",
            Some("text/plain; charset=latin1"),
            Some(("a", "utf-8")),
        );
        check(b"\xff\xfea\0", Some("text/plain"), Some(("a", "utf-16le")));
        check(b"\xfe\xff\0a", None, Some(("a", "utf-16be")));
        let meta = b"<meta charset=koi8-r>\xc4\xc1";
        check(
            meta,
            Some("text/html"),
            Some(("<meta charset=koi8-r>да", "koi8-r")),
        );
        let http_equiv = b"<META http-equiv=x content='text/html; charset=koi8-r'>\xc4";
        let text = "<META http-equiv=x content='text/html; charset=koi8-r'>д";
        check(http_equiv, Some("text/html"), Some((text, "koi8-r")));
        let xml = b"<?xml version=\"1.0\" encoding=\"iso-8859-2\"?>\xb1";
        let text = "<?xml version=\"1.0\" encoding=\"iso-8859-2\"?>ą";
        check(xml, Some("application/xml"), Some((text, "iso-8859-2")));
        check(
            b"<meta charset=utf-16>a",
            Some("text/html"),
            Some(("<meta charset=utf-16>a", "utf-8")),
        );
        check(
            b"a",
            Some("text/plain; charset=nonsense"),
            Some(("a", "utf-8")),
        );
    }

    #[test]
    fn tells_text_from_binary() {
        check(
            b"{}",
            Some("application/problem+json"),
            Some(("{}", "utf-8")),
        );
        check(b"<svg/>", Some("image/svg+xml"), Some(("<svg/>", "utf-8")));
        check(b"a: 1", Some("application/yaml"), Some(("a: 1", "utf-8")));
        check(b"plain", None, Some(("plain", "utf-8")));
        check(
            b"plain",
            Some("application/octet-stream"),
            Some(("plain", "utf-8")),
        );
        check(b"a\0b", Some("application/octet-stream"), None);
        check(b"\x89PNG", None, None);
        check(b"text", Some("image/png"), None);
        check(b"%PDF", Some("application/pdf"), None);
    }

    #[test]
    fn drops_a_character_cut_in_half() {
        for content_type in [Some("text/plain"), None] {
            let decoded = decode(b"caf\xc3", content_type, Completeness::Cut).unwrap();
            assert_eq!(
                (decoded.text.as_ref(), decoded.charset.as_str()),
                ("caf", "utf-8")
            );
        }
    }
}
