//! Checks which origin may receive which texts. Shares no code with the client.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use nexus_sdk::NexusError;
use percent_encoding::percent_decode_str;

use crate::servers::{BODY, CALLERS_SECRETS, HARMLESS_HEADER, Received, SECRET, Step};
use crate::strategies::Strategy;
use crate::support::Request;
use crate::targets::{Base, Outcome, Target};

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
    pub(crate) target: &'a Target,
    pub(crate) steps: &'a [Step],
    pub(crate) method: &'a str,
}

impl std::fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, target) = (self.strategy.name, self.target);
        let origin = self.base.origin();
        write!(
            f,
            "{name}: {} from {origin} to {} by {:?}",
            self.method, target.what, self.steps
        )?;
        write!(f, " {}", target.advisories)
    }
}

pub(crate) fn check_case(
    case: &Case<'_>,
    fetched: &Result<u16, NexusError>,
    received: &[Received],
) {
    check_received(case, &case.base.origin(), case.strategy, received);
    check_outcome(case, fetched, received);
    for (index, one) in received.iter().enumerate() {
        let became_get = case.steps[..index].iter().any(|step| step.status < 304);
        let sends = case.method == "POST" && !became_get;
        let sent = (&*one.request.method, &*one.request.body);
        let expected = if sends {
            ("POST", BODY.as_bytes())
        } else {
            ("GET", &b""[..])
        };
        assert_eq!(sent, expected, "{case}");
    }
}

/// Asserts that every request holds the credentials until one goes to another origin, and none after
/// that.
pub(crate) fn check_received(
    case: &impl std::fmt::Display,
    home: &str,
    strategy: &Strategy,
    received: &[Received],
) {
    let mut left = false;
    for (index, Received { origin, request }) in received.iter().enumerate() {
        left |= origin != home;
        assert_eq!(
            request.header(HARMLESS_HEADER.0),
            Some(HARMLESS_HEADER.1),
            "{case}"
        );
        if left {
            assert_eq!(
                leaked(request),
                None,
                "{case}: {origin} received: {}",
                request.head
            );
            continue;
        }
        let is_servers_path = strategy.name.starts_with("path") && index > 0;
        assert!(
            is_servers_path || (strategy.carried)(request),
            "{case}: lost at {origin}: {}",
            request.head
        );
        for (name, value) in CALLERS_SECRETS {
            let kept = request.header(name) == Some(value);
            assert!(
                kept || carries(strategy, name),
                "{case}: {name} lost at {origin}"
            );
        }
    }
}

/// Returns whether the strategy's own credential takes the place of this header.
fn carries(strategy: &Strategy, header: &str) -> bool {
    match strategy.name {
        "header X-API-Key" => header == "X-Api-Key",
        "header Cookie" => header == "Cookie",
        "none" | "oauth2" | "agent session" | "basic_auth" | "aws_sigv4" => {
            header == "Authorization"
        }
        _ => false,
    }
}

/// Returns a header or text of the request that only the first origin may see.
pub(crate) fn leaked(request: &Request) -> Option<String> {
    let names = request.headers.iter().map(|(name, _)| name.to_lowercase());
    let odd = names.into_iter().find(|name| !HARMLESS.contains(&&**name));
    let body = String::from_utf8_lossy(&request.body);
    let texts = [&*request.head, &*body];
    let secret = texts
        .into_iter()
        .find(|text| holds_secret(text) || holds_base64_of_secret(text));
    odd.or(secret.map(str::to_owned))
}

/// Returns whether a secret is in the text, even if it was percent-encoded several times.
fn holds_secret(text: &str) -> bool {
    let mut text = text.to_lowercase();
    while !text.contains(SECRET) {
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return false;
        }
        text = decoded;
    }
    true
}

/// Returns whether the Base64 of a secret is in the text.
fn holds_base64_of_secret(text: &str) -> bool {
    let coded = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
    text.split(|c| !coded(c)).any(|word| {
        [STANDARD_NO_PAD, URL_SAFE_NO_PAD].iter().any(|engine| {
            let whole = word.get(..word.len() / 4 * 4).unwrap_or_default();
            let decoded = engine.decode(whole).unwrap_or_default();
            String::from_utf8_lossy(&decoded).contains(SECRET)
        })
    })
}

/// Asserts that the fetch ended as the table says, after the right requests.
fn check_outcome(case: &Case<'_>, fetched: &Result<u16, NexusError>, received: &[Received]) {
    let code = fetched.as_ref().err().map(NexusError::code);
    let before = case
        .steps
        .iter()
        .position(|step| is_target(case, step))
        .unwrap()
        + 1;
    match case.target.outcome {
        Outcome::Refused(expected) => {
            assert_eq!((code, received.len()), (Some(expected), before), "{case}");
        }
        Outcome::Copies if code.is_some() => {
            assert_eq!(
                (code, received.len()),
                (Some("insecure_url"), before),
                "{case}"
            );
            assert!(case.strategy.in_url, "{case}");
        }
        outcome => {
            let origin = received.get(before).map(|one| &*one.origin);
            let leaves = origin.map(|origin| origin != case.base.origin());
            assert_eq!(leaves, Some(outcome != Outcome::Stays), "{case}: {code:?}");
            check_end(case, code, received);
        }
    }
}

/// Asserts that all redirects were followed, but none from https back to a home on http.
fn check_end(case: &Case<'_>, code: Option<&str>, received: &[Received]) {
    let secured = received.iter().any(|one| one.origin.starts_with("https:"));
    let home = |step: &Step| step.location.contains("/back");
    if secured && case.base.scheme == "http" && case.steps.iter().any(home) {
        let at = case.steps.iter().position(home).unwrap();
        assert_eq!(
            (code, received.len()),
            (Some("insecure_url"), at + 1),
            "{case}"
        );
    } else {
        assert_eq!(
            (code, received.len()),
            (None, case.steps.len() + 1),
            "{case}"
        );
    }
}

fn is_target(case: &Case<'_>, step: &Step) -> bool {
    step.location == case.base.fill(case.target.location)
}
