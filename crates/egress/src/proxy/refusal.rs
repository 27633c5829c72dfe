//! What a command is told whose request is not carried out.

use http::StatusCode;

use crate::error::POLICY_HINT;
use crate::{EgressError, ResolveError, UrlRefusal};

/// Why a command's request is not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// It is no request to a proxy.
    #[error("this is a proxy: send CONNECT host:port, or an absolute http URL")]
    NoTarget,
    /// The method is not carried on.
    #[error("a proxy does not carry TRACE")]
    Trace,
    /// The command moved all the bytes it may.
    #[error("the command moved the {limit} bytes that it may")]
    Exhausted {
        /// Bytes that it may move.
        limit: u64,
    },
    /// The target may not be requested, or is none.
    #[error("{0}")]
    Url(UrlRefusal),
    /// The other machine cannot be reached.
    #[error("{}", .0.explained())]
    Exchange(EgressError),
}

impl Refusal {
    /// Whether the policy refused, rather than the network or the request failing.
    pub(super) fn is_policy(&self) -> bool {
        match self {
            Self::Url(refusal) => refusal.is_policy(),
            Self::Exchange(error) => error.is_policy(),
            Self::Exhausted { .. } => true,
            Self::NoTarget | Self::Trace => false,
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Trace => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoTarget => StatusCode::BAD_REQUEST,
            _ if self.is_policy() => StatusCode::FORBIDDEN,
            Self::Url(_) => StatusCode::BAD_REQUEST,
            Self::Exchange(
                EgressError::TimedOut { .. }
                | EgressError::Resolve {
                    source: ResolveError::TimedOut { .. },
                    ..
                },
            ) => StatusCode::GATEWAY_TIMEOUT,
            Self::Exchange(EgressError::BreakerOpen { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Exhausted { .. } | Self::Exchange(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// The words of the tools' error, for the person or the program that reads the answer.
    pub(super) fn text(&self) -> String {
        let exhausted = matches!(self, Self::Exhausted { .. });
        if self.is_policy() && !exhausted {
            format!("{self}\n{POLICY_HINT}\n")
        } else {
            format!("{self}\n")
        }
    }
}
