//! The bearer token (RFC 6750): made once, kept in a file of its own, compared in constant time.
#![expect(
    clippy::disallowed_methods,
    reason = "the token file is the server's own, never a call's"
)]

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rustix::fs::OFlags;
use subtle::ConstantTimeEq;

use crate::ServeError;

/// Random bytes of a token that the server makes: 256 bits.
const TOKEN_BYTES: usize = 32;

/// Least length of a token that somebody else put into the file, in characters.
const MIN_LENGTH: usize = 16;

/// Longest token file that is read, in bytes.
const MAX_LENGTH: u64 = 4096;

/// What callers must show.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    /// Reads the token file, making it with mode 0600 when there is none.
    pub(crate) fn open_or_create(path: &Path) -> Result<Self, ServeError> {
        match Self::open(path)? {
            Some(token) => Ok(token),
            None => Self::create(path),
        }
    }

    /// Reads the token file, if there is one.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, ServeError> {
        match fs::symlink_metadata(path) {
            Ok(_) => Self::read(path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(token_error(path, "it cannot be looked at", Some(error))),
        }
    }

    /// The token itself, so that replies can be searched for it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The token is written aside and linked into its place, so that nobody finds half of it.
    fn create(path: &Path) -> Result<Self, ServeError> {
        let failed = |reason| move |source| token_error(path, reason, Some(source));
        if let Some(parent) = path.parent() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder
                .create(parent)
                .map_err(failed("its directory cannot be made"))?;
        }
        let text = random_hex()?;
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".{}", random_hex()?));
        let aside = PathBuf::from(aside);
        let placed = write_private(&aside, &text).and_then(|()| fs::hard_link(&aside, path));
        if let Err(error) = fs::remove_file(&aside) {
            tracing::debug!(%error, "the token written aside was not removed");
        }
        match placed {
            Ok(()) => Ok(Self(text)),
            // Another server of the same user was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::read(path),
            Err(error) => Err(failed("it cannot be written")(error)),
        }
    }

    fn read(path: &Path) -> Result<Self, ServeError> {
        let failed = |reason| move |source| token_error(path, reason, Some(source));
        let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags);
        let file = options
            .open(path)
            .map_err(failed("it cannot be read (links are not followed)"))?;
        let metadata = file.metadata().map_err(failed("it cannot be looked at"))?;
        if !metadata.is_file() {
            return Err(token_error(path, "it is not a regular file", None));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(token_error(
                path,
                "others can read it; run chmod 600 on it",
                None,
            ));
        }
        let mut text = String::new();
        file.take(MAX_LENGTH)
            .read_to_string(&mut text)
            .map_err(failed("it cannot be read"))?;
        let text = text.trim();
        if text.len() < MIN_LENGTH || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let reason = "it must hold one token of at least 16 printable characters";
            return Err(token_error(path, reason, None));
        }
        Ok(Self(text.to_owned()))
    }

    fn is_shown_by(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        let Some((scheme, shown)) = value.to_str().ok().and_then(|value| value.split_once(' '))
        else {
            return false;
        };
        let shown = shown.trim().as_bytes();
        scheme.eq_ignore_ascii_case("bearer") && bool::from(shown.ct_eq(self.0.as_bytes()))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token([masked])")
    }
}

fn random_hex() -> Result<String, ServeError> {
    let mut bytes = [0_u8; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| ServeError::Random)?;
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    Ok(digits.collect())
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn token_error(path: &Path, reason: &'static str, source: Option<io::Error>) -> ServeError {
    ServeError::Token {
        path: path.to_owned(),
        reason,
        source,
    }
}

/// Where the token is kept when the configuration does not say.
pub(crate) fn default_path(
    server: &str,
    state_home: Option<PathBuf>,
    home: Option<PathBuf>,
) -> Result<PathBuf, ServeError> {
    state_home
        .filter(|path| path.is_absolute())
        .or_else(|| {
            home.filter(|home| home.is_absolute())
                .map(|home| home.join(".local/state"))
        })
        .map(|state| state.join(server).join("token"))
        .ok_or(ServeError::NoStateDirectory)
}

/// The answer to a request without the token, where one is asked for.
pub(crate) fn refusal(token: Option<&Token>, headers: &HeaderMap) -> Option<Response> {
    if token.is_none_or(|token| token.is_shown_by(headers)) {
        return None;
    }
    let challenge = [(WWW_AUTHENTICATE, "Bearer realm=\"mcp\"")];
    let reason = "a bearer token is required\n";
    Some((StatusCode::UNAUTHORIZED, challenge, reason).into_response())
}

#[cfg(test)]
mod tests;
