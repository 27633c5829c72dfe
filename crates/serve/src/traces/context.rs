//! The trace that a request belongs to, as the W3C recommendation "Trace Context" (23 November 2021)
//! writes it: what does not follow it is as if it had not been sent.

use axum::http::HeaderMap;
use axum::http::request::Parts;
use rmcp::RoleServer;
use rmcp::service::RequestContext;

/// Characters of a `tracestate` that are kept (section 3.3.1.5: at least 512).
const MAX_STATE: usize = 512;

/// A span of somebody else's, which called us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Which trace; not 0.
    pub(crate) trace: u128,
    /// Which span of it; not 0.
    pub(crate) span: u64,
    /// Whether it is recorded there.
    pub(crate) sampled: bool,
}

impl Remote {
    /// What a request says in `_meta`, or in its HTTP header fields where it says nothing there.
    pub(crate) fn of(context: &RequestContext<RoleServer>) -> Option<Self> {
        if let Some(parent) = context.meta.get_traceparent() {
            return Self::parse(parent);
        }
        Self::of_fields(&context.extensions.get::<Parts>()?.headers)
    }

    fn of_fields(fields: &HeaderMap) -> Option<Self> {
        let mut parents = fields.get_all("traceparent").iter();
        let (Some(parent), None) = (parents.next(), parents.next()) else {
            return None;
        };
        Self::parse(parent.to_str().ok()?)
    }

    fn parse(parent: &str) -> Option<Self> {
        let mut parts = parent.split('-');
        let version = hex(parts.next()?, 2)?;
        let trace = hex(parts.next()?, 32)?;
        let span = hex(parts.next()?, 16)?;
        let flags = hex(parts.next()?, 2)?;
        // Later versions may say more, the first may not; 255 is none.
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        Some(Self {
            trace: (trace != 0).then_some(trace)?,
            span: u64::try_from(span).ok().filter(|span| *span != 0)?,
            sampled: flags & 1 == 1,
        })
    }
}

/// What other systems keep with the trace; asked for only where it is sent on.
pub(crate) fn state(context: &RequestContext<RoleServer>) -> Option<String> {
    if context.meta.get_traceparent().is_some() {
        return kept(context.meta.get_tracestate()?.to_owned());
    }
    state_of_fields(&context.extensions.get::<Parts>()?.headers)
}

fn state_of_fields(fields: &HeaderMap) -> Option<String> {
    // Several fields count as one list (section 3.3.1).
    let states = fields.get_all("tracestate").iter();
    let states: Option<Vec<&str>> = states.map(|state| state.to_str().ok()).collect();
    kept(states?.join(","))
}

fn kept(state: String) -> Option<String> {
    let printable = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
    let fits = !state.is_empty() && state.len() <= MAX_STATE && state.bytes().all(printable);
    fits.then_some(state)
}

/// A number of exactly so many digits, in lower case.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let fits = text.len() == digits && text.bytes().all(is_digit);
    fits.then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
    const SPAN: u64 = 0x00f0_67aa_0ba9_02b7;

    #[test]
    fn what_does_not_follow_the_recommendation_was_not_sent() {
        let check = |parent: &str, expect: Option<bool>| {
            let found = Remote::parse(parent);
            let found = found.map(|remote| {
                assert_eq!((remote.trace, remote.span), (TRACE, SPAN), "{parent}");
                remote.sampled
            });
            assert_eq!(found, expect, "{parent}");
        };
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            Some(true),
        );
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            Some(false),
        );
        // Flags that are not known yet are ignored.
        check(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe",
            Some(false),
        );
        check(
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later",
            Some(true),
        );
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn a_state_that_does_not_fit_is_left_out() {
        let state = |state: &str| kept(state.to_owned());
        assert_eq!(state("rojo=1,congo=2").as_deref(), Some("rojo=1,congo=2"));
        assert_eq!(state(""), None);
        assert_eq!(state("rojo=\u{e9}"), None);
        assert_eq!(state(&"x".repeat(MAX_STATE + 1)), None);
    }

    #[test]
    fn one_header_field_counts_and_several_do_not() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let mut fields = HeaderMap::new();
        assert_eq!(Remote::of_fields(&fields), None);
        fields.append("traceparent", parent.parse().unwrap());
        fields.append("tracestate", "a=1".parse().unwrap());
        fields.append("tracestate", "b=2".parse().unwrap());
        assert_eq!(Remote::of_fields(&fields).unwrap().trace, TRACE);
        assert_eq!(state_of_fields(&fields).as_deref(), Some("a=1,b=2"));
        fields.append("traceparent", parent.parse().unwrap());
        assert_eq!(Remote::of_fields(&fields), None);
    }
}
