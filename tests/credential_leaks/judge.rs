//! Judges which texts may arrive at which origin.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use nexus_sdk::NexusError;
use percent_encoding::percent_decode_str;

use crate::strategies::Strategy;
use crate::support::Request;
use crate::targets::{Base, Outcome, Target};
use crate::world::{Arrival, BODY, OWN_SECRETS, PLAIN, Step};

/// The headers that a request to another origin may have. Any other header was meant for the first
/// origin.
const HARMLESS: [&str; 9] = [
    "host",
    "user-agent",
    "accept",
    "accept-encoding",
    "content-length",
    "content-type",
    "x-plain",
    "x-amz-date",
    "x-amz-content-sha256",
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

pub(crate) fn judge(case: &Case<'_>, fetched: &Result<u16, NexusError>, arrived: &[Arrival]) {
    check_arrivals(case, &case.base.origin(), case.strategy, arrived);
    check_outcome(case, fetched, arrived);
    for (index, arrival) in arrived.iter().enumerate() {
        let became_get = case.steps[..index].iter().any(|step| step.status < 304);
        let sends = case.method == "POST" && !became_get;
        let sent = (
            arrival.request.method.as_str(),
            arrival.request.body.as_slice(),
        );
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
pub(crate) fn check_arrivals(
    case: &impl std::fmt::Display,
    home: &str,
    strategy: &Strategy,
    arrived: &[Arrival],
) {
    let mut left = false;
    for (index, Arrival { origin, request }) in arrived.iter().enumerate() {
        left |= origin != home;
        assert_eq!(request.header(PLAIN.0), Some(PLAIN.1), "{case}");
        if left {
            assert_eq!(
                harm(request),
                None,
                "{case}: came to {origin}: {}",
                request.head
            );
            continue;
        }
        let theirs = strategy.name.starts_with("path") && index > 0;
        assert!(
            theirs || (strategy.carried)(request),
            "{case}: lost at {origin}: {}",
            request.head
        );
        for (name, value) in OWN_SECRETS {
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
pub(crate) fn harm(request: &Request) -> Option<String> {
    let names = request.headers.iter().map(|(name, _)| name.to_lowercase());
    let odd = names.into_iter().find(|name| !HARMLESS.contains(&&**name));
    let body = String::from_utf8_lossy(&request.body);
    let texts = [&*request.head, &*body];
    let canary = texts
        .into_iter()
        .find(|text| holds_canary(text) || is_coded(text));
    odd.or(canary.map(str::to_owned))
}

/// Returns whether a canary is in the text, even if it was percent-encoded several times.
fn holds_canary(text: &str) -> bool {
    let mut text = text.to_lowercase();
    while !text.contains("canary") {
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return false;
        }
        text = decoded;
    }
    true
}

/// Returns whether a canary is in the text as Base64.
fn is_coded(text: &str) -> bool {
    let coded = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
    text.split(|c| !coded(c)).any(|word| {
        [STANDARD_NO_PAD, URL_SAFE_NO_PAD].iter().any(|engine| {
            let whole = word.get(..word.len() / 4 * 4).unwrap_or_default();
            let decoded = engine.decode(whole).unwrap_or_default();
            decoded.windows(6).any(|part| part == b"canary")
        })
    })
}

/// Asserts that the fetch ended as the table says, after the right requests.
fn check_outcome(case: &Case<'_>, fetched: &Result<u16, NexusError>, arrived: &[Arrival]) {
    let code = fetched.as_ref().err().map(NexusError::code);
    let before = case
        .steps
        .iter()
        .position(|step| is_target(case, step))
        .unwrap()
        + 1;
    match case.target.outcome {
        Outcome::Refused(expected) => {
            assert_eq!((code, arrived.len()), (Some(expected), before), "{case}");
        }
        Outcome::Copies if code.is_some() => {
            assert_eq!(
                (code, arrived.len()),
                (Some("insecure_url"), before),
                "{case}"
            );
            assert!(case.strategy.in_url, "{case}");
        }
        outcome => {
            let origin = arrived.get(before).map(|arrival| &*arrival.origin);
            let leaves = origin.map(|origin| origin != case.base.origin());
            assert_eq!(leaves, Some(outcome != Outcome::Stays), "{case}: {code:?}");
            check_end(case, code, arrived);
        }
    }
}

/// Asserts that all redirects were followed, but none from https back to a home on http.
fn check_end(case: &Case<'_>, code: Option<&str>, arrived: &[Arrival]) {
    let secured = arrived
        .iter()
        .any(|arrival| arrival.origin.starts_with("https:"));
    let home = |step: &Step| step.location.contains("/back");
    if secured && case.base.scheme == "http" && case.steps.iter().any(home) {
        let at = case.steps.iter().position(home).unwrap();
        assert_eq!(
            (code, arrived.len()),
            (Some("insecure_url"), at + 1),
            "{case}"
        );
    } else {
        assert_eq!(
            (code, arrived.len()),
            (None, case.steps.len() + 1),
            "{case}"
        );
    }
}

fn is_target(case: &Case<'_>, step: &Step) -> bool {
    step.location == case.base.fill(case.target.location)
}
