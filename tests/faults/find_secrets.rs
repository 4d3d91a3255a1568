//! Secrets that are easy to find again, however they are written.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use nexus_sdk::NexusError;

/// Every secret of these tests contains this word and no other text does, so a secret is found wherever it shows.
pub(crate) const SECRET: &str = "canary";
pub(crate) const KEY: &str = "canary-api-key";

/// The ways to write the secret, in lower case.
static WRITTEN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let bytes = SECRET.as_bytes();
    let each = |write: fn(&mut String, u8)| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write(&mut text, *byte);
            text
        })
    };
    let list = format!("{bytes:?}");
    vec![
        SECRET.to_owned(),
        each(|text, byte| write!(text, "{byte:02x}").unwrap()),
        each(|text, byte| write!(text, "%{byte:02x}").unwrap()),
        list.trim_matches(['[', ']']).to_owned(),
    ]
});

/// The secret in Base64 after zero, one and two other bytes, without the characters that it shares with its
/// neighbours.
static IN_BASE64: LazyLock<Vec<String>> = LazyLock::new(|| {
    let after = |others: usize| {
        let bytes = [&vec![0; others], SECRET.as_bytes()].concat();
        let whole = bytes.len() * 8 / 6;
        let text = STANDARD_NO_PAD.encode(&bytes);
        text.get((others * 8).div_ceil(6)..whole)
            .unwrap()
            .to_owned()
    };
    (0..3).map(after).collect()
});

pub(crate) fn shows_secret(text: &str) -> bool {
    let lower = text.to_lowercase();
    // A list may have as many lines as items.
    let lower = lower.split_whitespace().collect::<Vec<_>>().join(" ");
    WRITTEN.iter().any(|form| lower.contains(form))
        || IN_BASE64.iter().any(|form| text.contains(form))
}

pub(crate) fn check_text(what: &str, text: &str) {
    assert!(!shows_secret(text), "{what}: {text}");
}

pub(crate) fn check_error(error: &NexusError) {
    check_text("message", error.message());
    check_text("code", error.code());
    check_chain(error);
}

/// Asserts that neither an error nor any of its sources shows a secret.
pub(crate) fn check_chain(error: &dyn Error) {
    let mut next = Some(error);
    while let Some(error) = next {
        check_text("error", &format!("{error} {error:?} {error:#?}"));
        next = error.source();
    }
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let bytes = "[\n    99,\n    97,\n    110,\n    97,\n    114,\n    121,\n]";
    for text in ["CANARY", "63616E617279", "%63%61%6E%61%72%79", bytes] {
        assert!(shows_secret(text), "{text}");
    }
    for text in ["canary", "u:canary", "me:canary", "x:my-canary-2"] {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        assert!(shows_secret(&encoded), "{text}: {encoded}");
    }
    assert!(!shows_secret("can we see a bird?"));
}
