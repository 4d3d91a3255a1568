//! Secrets that are easy to find again, however they are written.

use std::error::Error;
use std::sync::LazyLock;

use nexus_sdk::NexusError;

/// Every secret of these tests contains this word and no other text does, so a secret is found wherever it shows.
pub(crate) const SECRET: &str = "canary";
pub(crate) const KEY: &str = "canary-api-key";

/// The secret in Base64 after zero, one and two other bytes, without the characters that it shares with its
/// neighbours.
const IN_BASE64: [&str; 3] = ["Y2FuYXJ5", "NhbmFye", "jYW5hcn"];

/// The ways to write the secret, in lower case.
static WRITTEN: LazyLock<[String; 4]> = LazyLock::new(|| {
    let bytes = SECRET.bytes();
    let hex: Vec<_> = bytes.map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{:?}", SECRET.as_bytes());
    [
        SECRET.to_owned(),
        hex.concat(),
        format!("%{}", hex.join("%")),
        list.trim_matches(['[', ']']).to_owned(),
    ]
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

/// Asserts that neither an error nor any of its sources shows a secret.
pub(crate) fn check_error(error: &NexusError) {
    check_text("message", &format!("{} {}", error.code(), error.message()));
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        check_text("error", &format!("{error} {error:?} {error:#?}"));
        next = error.source();
    }
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    let bytes = "[\n    99,\n    97,\n    110,\n    97,\n    114,\n    121,\n]";
    for text in ["CANARY", "63616E617279", "%63%61%6E%61%72%79", bytes] {
        assert!(shows_secret(text), "{text}");
    }
    for text in ["canary", "u:canary", "me:canary", "x:my-canary-2"] {
        let encoded = STANDARD.encode(text);
        assert!(shows_secret(&encoded), "{text}: {encoded}");
    }
    assert!(!shows_secret("can we see a bird?"));
}
