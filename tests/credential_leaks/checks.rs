//! Checks which origin may receive which texts. Shares no code with the client.

use std::fmt;

use nexus_sdk::NexusError;

use crate::find_secrets::shows_secret;
use crate::servers::{BODY, CALLERS_SECRETS, HARMLESS_HEADER, Received, Step};
use crate::strategies::Strategy;
use crate::support::Request;
use crate::targets::{Base, Outcome};

/// The headers that a request to another origin may have. Any other header was meant for the first
/// origin.
#[rustfmt::skip]
const HARMLESS: [&str; 9] = [
    "host", "user-agent", "accept", "accept-encoding", "content-length", "content-type", "x-plain",
    "x-amz-date", "x-amz-content-sha256",
];

pub(crate) struct Case<'a> {
    pub(crate) base: Base,
    pub(crate) strategy: &'a Strategy,
    pub(crate) what: &'a str,
    /// The location of the target.
    pub(crate) location: &'a str,
    pub(crate) outcome: Outcome,
    pub(crate) steps: &'a [Step],
    pub(crate) method: &'a str,
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, method, steps) = (self.strategy.name, self.method, self.steps);
        let (origin, target) = (self.base.origin(), self.what);
        write!(f, "{name}: {method} from {origin} to {target} by {steps:?}")
    }
}

pub(crate) fn check_case(case: &Case<'_>, error: Option<&NexusError>, received: &[Received]) {
    check_credentials(case, received);
    check_outcome(case, error.map(NexusError::code), received);
    for (index, one) in received.iter().enumerate() {
        let became_get = case.steps[..index].iter().any(|step| step.status < 304);
        let sent = (&*one.request.method, &*one.request.body);
        let expected = if case.method == "POST" && !became_get {
            ("POST", BODY.as_bytes())
        } else {
            ("GET", &b""[..])
        };
        assert_eq!(sent, expected, "{case}");
    }
}

/// Asserts that every request holds the credentials until one goes to another origin, and none after
/// that.
fn check_credentials(case: &Case<'_>, received: &[Received]) {
    let strategy = case.strategy;
    let mut left = false;
    for (index, Received { origin, request }) in received.iter().enumerate() {
        left |= *origin != case.base.origin();
        let case = format!("{case}, at {origin}: {}", request.head);
        let (name, value) = HARMLESS_HEADER;
        assert_eq!(request.header(name), Some(value), "{case}");
        if left {
            assert_eq!(leaked(request), None, "{case}");
            continue;
        }
        let is_servers_path = strategy.name.starts_with("path") && index > 0;
        assert!(is_servers_path || (strategy.carried)(request), "{case}");
        for (name, value) in CALLERS_SECRETS {
            let kept = request.header(name) == Some(value);
            assert!(kept || strategy.replaces(name), "{name}, {case}");
        }
    }
}

/// Returns a header or text of the request that only the first origin may see.
pub(crate) fn leaked(request: &Request) -> Option<String> {
    let mut names = request.headers.iter().map(|(name, _)| name.to_lowercase());
    let odd = names.find(|name| !HARMLESS.contains(&&**name));
    let text = request.head.clone() + &String::from_utf8_lossy(&request.body);
    odd.or(Some(text).filter(|text| shows_secret(text)))
}

/// Asserts that the fetch ended as the table says, after the right requests.
fn check_outcome(case: &Case<'_>, code: Option<&str>, received: &[Received]) {
    let location = case.base.fill(case.location);
    let mut steps = case.steps.iter();
    let before = steps.position(|step| step.location == location).unwrap() + 1;
    let ended = (code, received.len());
    match case.outcome {
        Outcome::Refused(expected) => assert_eq!(ended, (Some(expected), before), "{case}"),
        Outcome::Copies if code.is_some() => {
            assert_eq!(ended, (Some("insecure_url"), before), "{case}");
            assert!(case.strategy.is_in_url(), "{case}");
        }
        outcome => {
            let origin = received.get(before).map(|one| &*one.origin);
            let leaves = origin.map(|origin| origin != case.base.origin());
            assert_eq!(leaves, Some(outcome != Outcome::Stays), "{case}: {code:?}");
            assert_eq!(ended, end(case, received), "{case}");
        }
    }
}

/// Returns the outcome if all redirects are followed, except for one from https back to a home on http.
fn end(case: &Case<'_>, received: &[Received]) -> (Option<&'static str>, usize) {
    let secured = received.iter().any(|one| one.origin.starts_with("https:"));
    let mut steps = case.steps.iter();
    match steps.position(|step| step.location.contains("/back")) {
        Some(home) if secured && case.base.scheme == "http" => (Some("insecure_url"), home + 1),
        _ => (None, case.steps.len() + 1),
    }
}
