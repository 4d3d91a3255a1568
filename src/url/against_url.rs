//! Comparisons with another library that parses URLs.

use ::url::Url;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::*;
use crate::seeded::Seeded;

const SCHEMES: [&str; 8] = [
    "https://", "http://", "HTTPS://", "http:/", "https:", "//", "ftp://", "",
];
const HOSTS: [&str; 22] = [
    "a.example",
    "A.Example",
    "a.example.",
    "localhost",
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "1.2.3.4.5",
    "[::1]",
    "[0:0::1]",
    "[::FFFF:1.2.3.4]",
    "[fe80::1%25e]",
    "[::1",
    "xn--bcher-kva.example",
    "bücher.example",
    "a%2eb",
    "a\\b",
    "u@a.example",
    "u:p@a",
    "a b",
    "",
    "a_b",
];
const PORTS: [&str; 10] = [
    "", "", "", ":80", ":443", ":8080", ":", ":00080", ":65536", ":x",
];
const PATHS: [&str; 20] = [
    "/", "/", "a", "b", "é", "%20", "%zz", "?", "&", "=", "+", ";", ":", "@", "#", "\"", "'", "<",
    "{", "|",
];
const HOSTILE: [&str; 12] = [
    "\\", "\t", "\n", " ", "..", ".", "//", "/\\", "\0", "https:", "@", "%2e",
];

fn ours_of(url: &Uri) -> String {
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    format!("{} {:?}", spelled(&origin(url)), decoded(target))
}

fn theirs_of(url: &Url) -> String {
    let query = url
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let origin = spelled(&url.origin().ascii_serialization());
    format!("{origin} {:?}", decoded(&format!("{}{query}", url.path())))
}

/// The libraries write an IPv4 address within an IPv6 address differently.
fn spelled(origin: &str) -> String {
    origin.replace("::ffff:1.2.3.4", "::ffff:102:304")
}

/// The libraries percent-encode different characters, so decoded texts are compared.
fn decoded(target: &str) -> Vec<u8> {
    percent_decode_str(target).collect()
}

#[test]
fn absolute_urls_mean_the_same() {
    let mut random = Seeded::new(11);
    let mut both = 0;
    for _ in 0..30_000 {
        let (scheme, host) = (random.pick(&SCHEMES), random.pick(&HOSTS));
        let path = random.text(&PATHS, 8);
        let slash = random.pick(&["/", "/", "?", "#", ""]);
        let text = format!("{scheme}{host}{}{slash}{path}", random.pick(&PORTS));
        let Ok(ours) = parse(&text) else { continue };
        let theirs = Url::parse(&text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(ours_of(&ours), theirs_of(&theirs), "{text:?}");
        assert!(theirs.username().is_empty() && theirs.password().is_none());
        both += 1;
    }
    assert!(both > 1_500, "{both} accepted by both");
}

#[test]
fn references_lead_to_the_same_place() {
    let bases = [
        "https://a.example/b/c/d?q",
        "http://a.example:8080/",
        "https://[::1]/x",
    ];
    let mut random = Seeded::new(12);
    let mut both = 0;
    for _ in 0..30_000 {
        let base = random.pick(&bases);
        let mut reference = random.text(&["../", "./", "x/", "/", "//a.example", "y", ""], 3);
        reference.push_str(&random.text(&PATHS, 5));
        let theirs = Url::parse(base).unwrap();
        let Ok(ours) = join(&parse(base).unwrap(), &reference) else {
            continue;
        };
        let Ok(theirs) = theirs.join(&reference) else {
            continue;
        };
        // RFC 3986 removes dot segments from references with a host, too. The SDK keeps them.
        if reference.starts_with("//") && reference.contains("./") {
            assert_eq!(
                spelled(&origin(&ours)),
                spelled(&theirs.origin().ascii_serialization())
            );
            continue;
        }
        assert_eq!(ours_of(&ours), theirs_of(&theirs), "{base} + {reference:?}");
        both += 1;
    }
    assert!(both > 15_000, "{both} accepted by both");
}

/// The SDK refuses a hostile reference, stays on the base's origin, or goes to the same origin as a browser.
#[test]
fn hostile_references_lead_nowhere_new() {
    let base = "https://good.example/dir/page?q";
    let mut random = Seeded::new(13);
    let mut pieces = HOSTILE.to_vec();
    pieces.extend([
        "evil.example",
        "good.example",
        "/",
        "/",
        ":",
        "?",
        "#",
        "x",
        "https://",
    ]);
    for _ in 0..40_000 {
        let reference = random.text(&pieces, 7);
        let Ok(ours) = join(&parse(base).unwrap(), &reference) else {
            continue;
        };
        let ours = origin(&ours);
        let theirs = Url::parse(base).unwrap().join(&reference);
        let theirs = theirs.map(|url| url.origin().ascii_serialization());
        assert!(
            ours == "https://good.example" || theirs.as_ref() == Ok(&ours),
            "{reference:?}: {ours} against {theirs:?}"
        );
    }
}

#[test]
fn percent_encoding_agrees() {
    const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    let pieces = [
        "a", "Z", "0", "-", "_", "~", "%", "%4", "%41", "%fF", "/", "+", " ", "é", "日", "\0",
        "x.", ":", "@", "&", "=", ";", "?", "#", "!", "'",
    ];
    let mut random = Seeded::new(14);
    for _ in 0..20_000 {
        let text = random.text(&pieces, 12);
        assert_eq!(
            encode(&text),
            utf8_percent_encode(&text, UNRESERVED).to_string()
        );
        assert_eq!(
            decode(&encode(&text), random.once_in(2)),
            text.as_bytes(),
            "{text:?}"
        );
        for in_query in [false, true] {
            let encoded = encode_credential(&text, in_query);
            assert_eq!(decode(&encoded, in_query), text.as_bytes(), "{text:?}");
            let around = format!("https://h/a?b={encoded}");
            let url = if in_query {
                around
            } else {
                format!("https://h/{encoded}/x")
            };
            assert_eq!(parse(&url).unwrap().to_string(), url, "{text:?}");
        }
        let expected: Vec<u8> = percent_decode_str(&text).collect();
        assert_eq!(decode(&text, false), expected, "{text:?}");
        let expected: Vec<u8> = percent_decode_str(&text.replace('+', " ")).collect();
        assert_eq!(decode(&text, true), expected, "{text:?}");
    }
}

#[test]
fn no_text_panics() {
    let base = parse("https://a.example/x").unwrap();
    let mut random = Seeded::new(15);
    for _ in 0..20_000 {
        let text = String::from_utf8_lossy(&random.bytes(24)).into_owned();
        let _ = (
            parse(&text),
            join(&base, &text),
            parse(&format!("https://{text}")),
        );
    }
}
