//! The token file and the header.

use std::os::unix::fs::PermissionsExt;

use axum::http::HeaderValue;

use super::*;

#[test]
fn makes_a_private_token_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state/server/token");
    let first = Token::open_or_create(&path).unwrap();
    let second = Token::open_or_create(&path).unwrap();
    assert_eq!(first.expose(), second.expose());
    assert_eq!(first.expose().len(), 2 * TOKEN_BYTES);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(format!("{first:?}"), "Token([masked])");
}

#[test]
fn servers_that_start_together_agree_on_one_whole_token() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state/token");
    let tokens: Vec<String> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| Token::open_or_create(&path).unwrap().expose().to_owned()))
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "what was written aside is gone");
}

#[test]
fn refuses_a_token_that_others_can_read_and_a_link() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    Token::open_or_create(&path).unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(
        Token::open_or_create(&link),
        Err(ServeError::Token { .. })
    ));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = Token::open_or_create(&path).unwrap_err();
    assert!(error.to_string().contains("others can read it"), "{error}");
}

#[test]
fn refuses_a_token_that_is_short_or_two() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("short", "abc\n"),
        ("two", "aaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbb"),
    ] {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Token::open_or_create(&path).is_err(), "{name}");
    }
}

#[test]
fn accepts_one_header_with_the_token_only() {
    let token = Token("0123456789abcdef".to_owned());
    let check = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        token.is_shown_by(&headers)
    };
    assert!(check(&["Bearer 0123456789abcdef"]));
    assert!(check(&["bearer 0123456789abcdef"]));
    for refused in [
        &[][..],
        &["Bearer 0123456789abcde"],
        &["Bearer "],
        &["Basic 0123456789abcdef"],
        &["0123456789abcdef"],
        &["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"],
    ] {
        assert!(!check(refused), "{refused:?}");
    }
}

#[test]
fn the_default_place_is_the_state_directory() {
    let path = |state: Option<&str>, home: Option<&str>| {
        default_path("s", state.map(PathBuf::from), home.map(PathBuf::from)).ok()
    };
    assert_eq!(path(Some("/x"), Some("/h")), Some("/x/s/token".into()));
    assert_eq!(
        path(Some("relative"), Some("/h")),
        Some("/h/.local/state/s/token".into())
    );
    assert_eq!(path(None, None), None);
}
