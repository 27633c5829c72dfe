//! Redirects and here-documents.

use super::parser::Parser;
use super::{Access, Invocation, Redirect, SyntaxError};
use crate::commands::unwrap::reads_script;

/// A here-document whose body follows the next newline.
pub(super) struct HereDocument {
    delimiter: String,
    expands: bool,
    strips_tabs: bool,
    /// Whether a shell reads it as commands.
    is_script: bool,
}

impl Parser<'_, '_> {
    pub(super) fn redirect(&mut self, command: &mut Invocation) -> Result<(), SyntaxError> {
        let first = self.bump();
        if first == Some('<') && self.pass('<') {
            if self.pass('<') {
                self.skip_blanks();
                let text = self.word()?.text;
                return self.input(
                    &text.chars().collect::<Vec<_>>(),
                    reads_script(&command.words),
                );
            }
            return self.here_document(reads_script(&command.words));
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
        command.redirects.push(Redirect { access, target });
        Ok(())
    }

    fn here_document(&mut self, is_script: bool) -> Result<(), SyntaxError> {
        let strips_tabs = self.pass('-');
        self.skip_blanks();
        let delimiter = self.word()?;
        // It is not expanded but compared as it is written, which the word no longer shows.
        if let Some(operator) = delimiter.text.chars().find(|c| matches!(c, '$' | '`'))
            && delimiter.expands
        {
            return Err(SyntaxError::Unexpected { operator });
        }
        self.here_documents.push(HereDocument {
            delimiter: delimiter.text,
            expands: !delimiter.quoted,
            strips_tabs,
            is_script,
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
            self.input(&body, document.is_script)?;
        }
        Ok(())
    }

    /// What a command reads. A shell runs it as far as it can, so it is read as far as it can be.
    fn input(&mut self, text: &[char], is_script: bool) -> Result<(), SyntaxError> {
        if !is_script {
            return Ok(());
        }
        match self.inner(text)?.script() {
            Err(SyntaxError::Unclosed { .. } | SyntaxError::Unexpected { .. }) => Ok(()),
            result => result,
        }
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
