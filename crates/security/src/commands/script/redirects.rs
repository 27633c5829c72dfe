//! Redirects and here-documents.

use std::sync::{Arc, OnceLock};

use super::parser::Parser;
use super::{Access, Input, Invocation, Redirect, SyntaxError};

/// A here-document whose body follows the next newline.
pub(super) struct HereDocument {
    delimiter: String,
    expands: bool,
    strips_tabs: bool,
    /// Where its command finds it.
    body: Arc<OnceLock<String>>,
}

impl Parser<'_, '_> {
    pub(super) fn redirect(&mut self, command: &mut Invocation) -> Result<(), SyntaxError> {
        // `3<file` leaves the standard input alone.
        let before = self.at.checked_sub(1).and_then(|at| self.text.get(at));
        let is_input = !before.is_some_and(|c| matches!(c, '1'..='9'));
        let outer = command.input.clone();
        self.open_file(command)?;
        if !is_input {
            command.input = outer;
        }
        Ok(())
    }

    fn open_file(&mut self, command: &mut Invocation) -> Result<(), SyntaxError> {
        let first = self.bump();
        if first == Some('<') && self.pass('<') {
            if self.pass('<') {
                self.skip_blanks();
                let text = self.word()?.text;
                command.input = Input::text(text);
                return Ok(());
            }
            return self.here_document(command);
        }
        let access = match (first, self.peek()) {
            (Some('<'), Some('>')) | (Some('>'), _) => Access::Write,
            _ => Access::Read,
        };
        if let Some('>' | '|' | '&') = self.peek() {
            self.at += 1;
        }
        self.skip_blanks();
        let target = self.word()?;
        if access == Access::Read {
            command.input = Input::Unknown;
        }
        command.redirects.push(Redirect { access, target });
        Ok(())
    }

    fn here_document(&mut self, command: &mut Invocation) -> Result<(), SyntaxError> {
        let strips_tabs = self.pass('-');
        self.skip_blanks();
        let delimiter = self.word()?;
        // It is not expanded but compared as it is written, which the word no longer shows.
        if let Some(character) = delimiter.text.chars().find(|c| matches!(c, '$' | '`'))
            && delimiter.expands
        {
            return Err(SyntaxError::Ambiguous { character });
        }
        let body = Arc::new(OnceLock::new());
        command.input = Input::Text(Arc::clone(&body));
        self.here_documents.push(HereDocument {
            delimiter: delimiter.text,
            expands: !delimiter.quoted,
            strips_tabs,
            body,
        });
        Ok(())
    }

    /// Passes the bodies of pending here-documents; the shell warns about a missing end and runs.
    pub(super) fn here_document_bodies(&mut self) -> Result<(), SyntaxError> {
        for document in std::mem::take(&mut self.here_documents) {
            let body = self.here_document_body(&document);
            if document.expands {
                self.inner(&body)?.expansions_only()?;
            }
            // Set once: every here-document has a place of its own.
            document.body.set(body.into_iter().collect()).ok();
        }
        Ok(())
    }

    fn here_document_body(&mut self, document: &HereDocument) -> Vec<char> {
        let mut body = Vec::new();
        // Lines joined by a backslash are compared as one, unless the delimiter is quoted.
        let mut joined = Vec::new();
        while self.at < self.text.len() {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let length = rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
            let line = rest.get(..length).unwrap_or_default();
            self.at = (self.at + length + 1).min(self.text.len());
            let tabs = line
                .iter()
                .take_while(|c| document.strips_tabs && **c == '\t')
                .count();
            let line = line.get(tabs..).unwrap_or_default();
            joined.extend_from_slice(line);
            if joined.iter().copied().eq(document.delimiter.chars()) {
                break;
            }
            body.extend_from_slice(line);
            body.push('\n');
            let backslashes = line.iter().rev().take_while(|c| **c == '\\').count();
            if document.expands && backslashes % 2 == 1 {
                joined.pop();
            } else {
                joined.clear();
            }
        }
        body
    }
}
