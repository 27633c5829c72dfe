//! What a command is told whose request is not carried out.

use http::StatusCode;
use mcp_security::addresses;
use mcp_security::hosts::HostRefusal;

use crate::error::POLICY_HINT;
use crate::{EgressError, ResolveError, UrlRefusal};

/// What the policy refused to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The host or address, and why.
    pub what: String,
    /// The field of [`EgressConfig`](crate::EgressConfig) that decides about it.
    pub setting: &'static str,
}

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
    /// The setting that refused, unless it was the network or the request that failed.
    pub(super) fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Url(refusal) => setting_of(refusal),
            Self::Exchange(EgressError::Resolve {
                source: ResolveError::Refused { refusal, .. },
                ..
            }) => Some(setting_of_address(refusal)),
            Self::Exhausted { .. } => Some("proxy.max_bytes"),
            Self::Exchange(_) | Self::NoTarget | Self::Trace => None,
        }
    }

    fn is_policy(&self) -> bool {
        self.setting().is_some()
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

fn setting_of(refusal: &UrlRefusal) -> Option<&'static str> {
    match refusal {
        UrlRefusal::Host { refusal, .. } => Some(match refusal {
            HostRefusal::Denied(_) => "deny_hosts",
            HostRefusal::NotAllowed => "allow_hosts",
            HostRefusal::Port(_) => "allow_ports",
            HostRefusal::DeniedPort(_) => "deny_ports",
        }),
        UrlRefusal::LocalName { .. } => Some("allow_networks"),
        UrlRefusal::Address { refusal, .. } => Some(setting_of_address(refusal)),
        UrlRefusal::TooLong { .. }
        | UrlRefusal::Malformed { .. }
        | UrlRefusal::Scheme { .. }
        | UrlRefusal::Credentials
        | UrlRefusal::BadHost { .. } => None,
    }
}

fn setting_of_address(refusal: &addresses::Refusal) -> &'static str {
    match refusal {
        addresses::Refusal::DeniedNetwork(_) => "deny_networks",
        addresses::Refusal::Special(_)
        | addresses::Refusal::Metadata
        | addresses::Refusal::OwnInterface => "allow_networks",
    }
}
