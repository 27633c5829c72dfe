//! The one error that leaves a tool.
//!
//! Two audiences: `message` and `hint` are for the caller and say how to fix the call; the source
//! chain is for the operator, is logged once by the pipeline and never leaves the process.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

/// The closed set of reasons a call fails for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the wire codes")]
pub enum Code {
    InvalidArgument,
    NotFound,
    PathDenied,
    CommandDenied,
    EgressDenied,
    EnvDenied,
    ProcessDenied,
    TooLarge,
    UnsupportedEncoding,
    TimedOut,
    RateLimited,
    Unavailable,
    Conflict,
    ConfirmationRequired,
    Cancelled,
    Internal,
}

impl Code {
    /// The code as it is on the wire and in metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::NotFound => "not_found",
            Self::PathDenied => "path_denied",
            Self::CommandDenied => "command_denied",
            Self::EgressDenied => "egress_denied",
            Self::EnvDenied => "env_denied",
            Self::ProcessDenied => "process_denied",
            Self::TooLarge => "too_large",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::TimedOut => "timed_out",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Conflict => "conflict",
            Self::ConfirmationRequired => "confirmation_required",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }

    /// Whether the policy refused the call.
    pub const fn is_denial(self) -> bool {
        matches!(
            self,
            Self::PathDenied
                | Self::CommandDenied
                | Self::EgressDenied
                | Self::EnvDenied
                | Self::ProcessDenied
                | Self::ConfirmationRequired
        )
    }
}

/// Why a call failed, in words the caller can act on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {}", .0.code.as_str(), .0.message)]
pub struct ToolError(Box<Detail>);

#[derive(Debug, Clone)]
struct Detail {
    code: Code,
    message: String,
    hint: Option<String>,
    field: Option<String>,
    limit: Option<u64>,
    layer: Option<&'static str>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ToolError {
    /// An error with its code and a text for the caller.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Detail {
            code,
            message: message.into(),
            hint: None,
            field: None,
            limit: None,
            layer: None,
            retry_after: None,
            source: None,
        }))
    }

    /// `invalid_argument`, naming the argument.
    pub fn invalid(field: impl Into<String>, why: impl std::fmt::Display) -> Self {
        let field = field.into();
        let message = if field.is_empty() || field == "." {
            why.to_string()
        } else {
            format!("`{field}`: {why}")
        };
        let mut error = Self::new(Code::InvalidArgument, message);
        error.0.field = (field != ".").then_some(field);
        error
    }

    /// The same with another text, e.g. one that says of which item.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    /// The smallest change that would work.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The bound that was met, in the unit that the message names.
    #[must_use]
    pub fn with_limit(mut self, limit: u64) -> Self {
        self.0.limit = Some(limit);
        self
    }

    /// The layer of the policy or of the kernel that refused.
    #[must_use]
    pub fn with_layer(mut self, layer: &'static str) -> Self {
        self.0.layer = Some(layer);
        self
    }

    /// When the same call may succeed.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// What caused it, for the log only.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What caused it, for the log only.
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }

    /// The text for the caller.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// How long to wait before the same call may succeed.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The JSON object that the caller reads.
    pub fn to_json(&self) -> String {
        let public = Public {
            success: false,
            code: self.0.code,
            error: &self.0.message,
            hint: self.0.hint.as_deref(),
            field: self.0.field.as_deref(),
            limit: self.0.limit,
            layer: self.0.layer,
            retry_after_ms: self
                .0
                .retry_after
                .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        };
        serde_json::to_string(&public).unwrap_or_else(|_| self.0.message.clone())
    }

    pub(crate) fn map_text(mut self, clean: impl Fn(&str) -> String) -> Self {
        self.0.message = clean(&self.0.message);
        self.0.hint = self.0.hint.as_deref().map(&clean);
        self.0.field = self.0.field.as_deref().map(&clean);
        self
    }
}

#[derive(Serialize)]
struct Public<'a> {
    success: bool,
    code: Code,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_know_every_refusal() {
        let refusals = [
            Code::PathDenied,
            Code::CommandDenied,
            Code::EgressDenied,
            Code::EnvDenied,
            Code::ProcessDenied,
            Code::ConfirmationRequired,
        ];
        assert!(refusals.iter().all(|code| code.is_denial()));
        assert_eq!(refusals.map(Code::as_str), mcp_metrics::names::REFUSALS);
    }

    #[test]
    fn renders_only_what_applies() {
        let error = ToolError::invalid("limit", "must be between 1 and 200, got 0");
        assert_eq!(
            error.to_json(),
            r#"{"success":false,"code":"invalid_argument","error":"`limit`: must be between 1 and 200, got 0","field":"limit"}"#
        );
    }

    #[test]
    fn keeps_the_source_out_of_the_public_text() {
        let secret = std::io::Error::other("secret detail");
        let error = ToolError::new(Code::RateLimited, "slow down")
            .with_retry_after(Duration::from_millis(600))
            .with_limit(100)
            .with_source(secret);
        assert_eq!(
            error.to_json(),
            r#"{"success":false,"code":"rate_limited","error":"slow down","limit":100,"retry_after_ms":600}"#
        );
    }
}
