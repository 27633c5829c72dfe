//! Text encodings of files: the labels of the WHATWG Encoding Standard, and base64 for bytes.
//!
//! Strict both ways: what cannot be converted without loss is an error, never a replacement
//! character. A byte order mark is not content: reading takes it off and says so by the suffix
//! `-bom` of the encoding's name, writing with such a name puts it back.

use std::borrow::Cow;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use encoding_rs::{DecoderResult, EncoderResult, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE};
use mcp_toolcall::bounded::Text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names of other systems (Python's among them) for what the standard calls otherwise.
const ALIASES: [(&str, &str); 5] = [
    ("latin-1", "windows-1252"),
    ("utf-8-sig", "utf-8-bom"),
    ("utf-16-le", "utf-16le"),
    ("utf-16-be", "utf-16be"),
    ("binary", "base64"),
];

/// The name of an encoding as a caller writes it; `utf-8` by default.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Text<1, 40>")]
pub(super) struct Label(String);

impl Default for Label {
    fn default() -> Self {
        Self("utf-8".to_owned())
    }
}

impl From<Text<1, 40>> for Label {
    fn from(text: Text<1, 40>) -> Self {
        Self(text.into_inner())
    }
}

impl Label {
    /// The encoding of that name.
    pub(super) fn encoding(&self) -> Result<Encoding, EncodingError> {
        self.0.parse()
    }
}

/// How the bytes of a file and the text of a call stand for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Bytes, as base64.
    Base64,
    /// Text.
    Text(Charset),
}

/// A text encoding, with or without a byte order mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charset {
    encoding: &'static encoding_rs::Encoding,
    mark: bool,
}

/// Bytes and text do not stand for each other.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodingError {
    #[error("the encoding `{label}` is not known")]
    Unknown { label: String },
    #[error("byte {offset} of the file is not valid {encoding}")]
    Malformed { encoding: String, offset: u64 },
    #[error("the file is not {encoding}: it starts with the byte order mark of {marked}")]
    ByteOrderMark { encoding: String, marked: String },
    #[error("the character U+{:04X} does not exist in {encoding}", u32::from(*character))]
    Unmappable { encoding: String, character: char },
    #[error("the content is not valid base64")]
    NotBase64 {
        #[source]
        source: base64::DecodeError,
    },
}

impl FromStr for Encoding {
    type Err = EncodingError;

    fn from_str(label: &str) -> Result<Self, EncodingError> {
        let folded = label.trim().to_ascii_lowercase().replace('_', "-");
        let alias = ALIASES.iter().find(|(name, _)| *name == folded);
        let name = alias.map_or(folded.as_str(), |(_, name)| name);
        if name == "base64" {
            return Ok(Self::Base64);
        }
        let (plain, mark) = name
            .strip_suffix("-bom")
            .map_or((name, false), |name| (name, true));
        let encoding = encoding_rs::Encoding::for_label_no_replacement(plain.as_bytes());
        match encoding.map(|encoding| Charset { encoding, mark }) {
            Some(charset) if !mark || !charset.mark_bytes().is_empty() => Ok(Self::Text(charset)),
            Some(_) | None => Err(EncodingError::Unknown {
                label: label.to_owned(),
            }),
        }
    }
}

impl Encoding {
    /// The name in replies; a call may use it too.
    pub(super) fn name(self) -> String {
        match self {
            Self::Base64 => "base64".to_owned(),
            Self::Text(charset) => charset.name(),
        }
    }

    /// The most bytes of content that one byte of the file may become.
    pub(super) fn growth(self) -> usize {
        match self {
            Self::Text(charset) if charset.encoding == UTF_8 => 1,
            Self::Base64 => 2,
            Self::Text(_) => 3,
        }
    }

    /// The bytes that `content` stands for; with a byte order mark if it begins a file.
    pub(super) fn encode(
        self,
        content: &str,
        place: Place,
    ) -> Result<Cow<'_, [u8]>, EncodingError> {
        match self {
            Self::Base64 => {
                let bytes = BASE64.decode(content);
                bytes
                    .map(Cow::Owned)
                    .map_err(|source| EncodingError::NotBase64 { source })
            }
            Self::Text(charset) => charset.encode(content, place),
        }
    }
}

/// Where written content goes in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the whole file.
    Whole,
    /// It comes behind other content.
    Behind,
}

impl Charset {
    pub(super) fn name(self) -> String {
        let suffix = if self.mark { "-bom" } else { "" };
        format!("{}{suffix}", self.encoding.name().to_ascii_lowercase())
    }

    /// Bytes of one code unit: where a character may begin.
    pub(super) fn unit(self) -> usize {
        if self.encoding == UTF_16LE || self.encoding == UTF_16BE {
            2
        } else {
            1
        }
    }

    /// Whether a text can only be cut at the end of a line, because it switches character sets.
    pub(super) fn is_stateful(self) -> bool {
        self.encoding == ISO_2022_JP
    }

    /// Bytes to leave out so that `bytes`, which start at `offset` of the file, start with a
    /// character.
    pub(super) fn skip_to_border(self, bytes: &[u8], offset: u64) -> usize {
        if self.encoding == UTF_8 {
            bytes
                .iter()
                .take(3)
                .take_while(|byte| (0x80..0xc0).contains(*byte))
                .count()
        } else {
            usize::from(self.unit() == 2 && offset % 2 == 1)
        }
    }

    /// The same for a start that nobody chose: only the end of a line is surely a border where
    /// bytes do not tell.
    pub(super) fn skip_to_line(self, bytes: &[u8], offset: u64) -> usize {
        if self.encoding == UTF_8 || self.unit() == 2 {
            return self.skip_to_border(bytes, offset);
        }
        bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1)
    }

    /// This encoding as the first bytes of a file say it is, and the length of their mark.
    pub(super) fn marked(self, head: &[u8]) -> Result<(Self, usize), EncodingError> {
        let Some((encoding, length)) = encoding_rs::Encoding::for_bom(head) else {
            return Ok((
                Self {
                    mark: false,
                    ..self
                },
                0,
            ));
        };
        let wide = |encoding| encoding == UTF_16LE || encoding == UTF_16BE;
        if encoding == self.encoding || (wide(encoding) && wide(self.encoding)) {
            return Ok((
                Self {
                    encoding,
                    mark: true,
                },
                length,
            ));
        }
        if self.encoding != UTF_8 {
            return Ok((
                Self {
                    mark: false,
                    ..self
                },
                0,
            ));
        }
        let marked = encoding.name().to_ascii_lowercase();
        Err(EncodingError::ByteOrderMark {
            encoding: self.name(),
            marked,
        })
    }

    /// The complete characters of `bytes`, which start at `offset` of the file. With `last`, what
    /// is left over is an error.
    pub(super) fn decode(
        self,
        bytes: &[u8],
        offset: u64,
        last: bool,
    ) -> Result<String, EncodingError> {
        let malformed = |at: usize| EncodingError::Malformed {
            encoding: self.name(),
            offset: offset.saturating_add(u64::try_from(at).unwrap_or(u64::MAX)),
        };
        if self.encoding == UTF_8 {
            return match std::str::from_utf8(bytes) {
                Ok(text) => Ok(text.to_owned()),
                Err(error) if error.error_len().is_none() && !last => {
                    let complete = bytes.get(..error.valid_up_to()).unwrap_or_default();
                    Ok(String::from_utf8_lossy(complete).into_owned())
                }
                Err(error) => Err(malformed(error.valid_up_to())),
            };
        }
        let mut decoder = self.encoding.new_decoder_without_bom_handling();
        let most = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
        let mut text = String::with_capacity(most.unwrap_or(bytes.len()));
        match decoder.decode_to_string_without_replacement(bytes, &mut text, last) {
            (DecoderResult::Malformed(bad, after), read) => Err(malformed(
                read.saturating_sub(usize::from(bad) + usize::from(after)),
            )),
            (DecoderResult::InputEmpty | DecoderResult::OutputFull, _) => Ok(text),
        }
    }

    /// How many of `bytes` the first `length` bytes of their text stand for, and how many bytes of
    /// text these are: fewer than `length` where two characters come from one code.
    pub(super) fn source_of(self, bytes: &[u8], length: usize) -> (usize, usize) {
        if self.encoding == UTF_8 {
            return (length, length);
        }
        // In bulk to shortly before the end, then byte by byte to the border itself.
        let mut decoder = self.encoding.new_decoder_without_bom_handling();
        let mut bulk = vec![0; length.saturating_sub(16)];
        let (_, mut read, mut written) =
            decoder.decode_to_utf8_without_replacement(bytes, &mut bulk, false);
        let mut border = if written == 0 {
            (0, 0)
        } else {
            (read, written)
        };
        while written < length
            && let Some(byte) = bytes.get(read..=read)
        {
            let (_, taken, more) =
                decoder.decode_to_utf8_without_replacement(byte, &mut [0; 16], false);
            read += taken;
            written += more;
            if more > 0 && written <= length {
                border = (read, written);
            }
        }
        border
    }

    fn encode(self, content: &str, place: Place) -> Result<Cow<'_, [u8]>, EncodingError> {
        let mark = if self.mark && place == Place::Whole {
            self.mark_bytes()
        } else {
            &[]
        };
        if self.encoding == UTF_8 && mark.is_empty() {
            return Ok(Cow::Borrowed(content.as_bytes()));
        }
        let mut bytes = mark.to_vec();
        if self.encoding == UTF_8 {
            bytes.extend_from_slice(content.as_bytes());
        } else if self.encoding == UTF_16LE {
            bytes.extend(content.encode_utf16().flat_map(u16::to_le_bytes));
        } else if self.encoding == UTF_16BE {
            bytes.extend(content.encode_utf16().flat_map(u16::to_be_bytes));
        } else {
            self.encode_legacy(content, &mut bytes)?;
        }
        Ok(Cow::Owned(bytes))
    }

    fn encode_legacy(self, content: &str, bytes: &mut Vec<u8>) -> Result<(), EncodingError> {
        let mut encoder = self.encoding.new_encoder();
        let mut rest = content;
        loop {
            let most = encoder.max_buffer_length_from_utf8_without_replacement(rest.len());
            bytes.reserve(most.unwrap_or(rest.len()));
            let (result, read) =
                encoder.encode_from_utf8_to_vec_without_replacement(rest, bytes, true);
            match result {
                EncoderResult::InputEmpty => return Ok(()),
                EncoderResult::OutputFull => rest = rest.get(read..).unwrap_or_default(),
                EncoderResult::Unmappable(character) => {
                    return Err(EncodingError::Unmappable {
                        encoding: self.name(),
                        character,
                    });
                }
            }
        }
    }

    fn mark_bytes(self) -> &'static [u8] {
        if self.encoding == UTF_8 {
            b"\xef\xbb\xbf"
        } else if self.encoding == UTF_16LE {
            b"\xff\xfe"
        } else if self.encoding == UTF_16BE {
            b"\xfe\xff"
        } else {
            b""
        }
    }
}

/// `bytes` as base64.
pub(super) fn base64_of(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}
