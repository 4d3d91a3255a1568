use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::*;
use crate::seeded::Seeded;

/// With everything that one encoder or another changes.
const SECRET: &str = "s3cr/t+k y\"q\\n\u{fc}%41\u{1f511}=";

type Encoder = (&'static str, fn(&str) -> String);

/// The characters that a form escapes, and the space.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'*')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_');

/// Encoders of other crates, and what their options would be.
const ENCODERS: [Encoder; 7] = [
    ("percent", |text| {
        utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
    }),
    ("percent in lower case", |text| {
        let encoded = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let pieces = encoded.split('%').enumerate().map(|(number, piece)| {
            let (hex, rest) = piece.split_at(if number == 0 { 0 } else { 2 });
            hex.to_lowercase() + rest
        });
        pieces.collect::<Vec<_>>().join("%")
    }),
    ("form", |text| {
        let spaced = utf8_percent_encode(text, FORM).to_string();
        spaced.replace("%20", "+")
    }),
    ("json", json),
    ("json in ascii", |text| {
        let escape = |unit: u16| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
            _ => format!("\\u{unit:04X}"),
        };
        json(text).encode_utf16().map(escape).collect()
    }),
    ("json with slashes", |text| json(text).replace('/', "\\/")),
    ("json in numbers", |text| {
        let escape = |unit: u16| format!("\\u{unit:04x}");
        text.encode_utf16().map(escape).collect()
    }),
];

fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted.trim_matches('"').to_owned()
}

fn hidden(secrets: &[&str], text: &str) -> String {
    let hidden = Secrets::new(secrets).hidden(text.as_bytes(), "[..]");
    hidden.map_or_else(
        || text.to_owned(),
        |shown| String::from_utf8(shown).unwrap(),
    )
}

#[test]
fn however_a_secret_is_written_it_is_found() {
    let check = |names: &[&str], written: &str| {
        let text = format!("{{\"a\": \"b{written}c\", \"d\": 1}}");
        let expected = "{\"a\": \"b[..]c\", \"d\": 1}";
        assert_eq!(hidden(&[SECRET], &text), expected, "{names:?}: {written}");
        assert_eq!(hidden(&[SECRET], written), "[..]", "{names:?}: {written}");
    };
    check(&[], SECRET);
    for (first, encode) in ENCODERS {
        let once = encode(SECRET);
        check(&[first], &once);
        for (second, encode) in ENCODERS {
            let twice = encode(&once);
            check(&[first, second], &twice);
            for (third, encode) in &ENCODERS[..3] {
                check(&[first, second, third], &encode(&twice));
            }
        }
    }
}

#[test]
fn what_is_not_a_secret_stays_as_it_is() {
    let texts = [
        "",
        "s3cr/t+k y\"q\\n\u{fc}%41\u{1f511}",
        "3cr/t+k y\"q\\n\u{fc}%41\u{1f511}=",
        "100% \\ \\u12 \\uD800 \\uD83D\\u0041 %4 %zz %",
    ];
    for text in texts {
        assert_eq!(hidden(&[SECRET], text), text);
        assert!(Secrets::new([SECRET]).hidden(text.as_bytes(), "").is_none());
    }
    assert_eq!(hidden(&[], "text"), "text");
    assert_eq!(hidden(&[""], "text"), "text", "an empty one is nowhere");
}

#[test]
fn where_a_secret_begins_and_ends() {
    let table: [(&[&str], &str, &str); 12] = [
        (&["abc"], "abc", "[..]"),
        (&["abc"], "ababcabab", "ab[..]abab"),
        (&["abc"], "abcxabc", "[..]x[..]"),
        (&["abc"], "abcabc", "[..]"),
        (&["aab"], "aaaab", "aa[..]"),
        (&["aba"], "ababa", "[..]"),
        (&["abc", "cde"], "abcde", "[..]"),
        (&["abcde", "c"], "abcde c", "[..] [..]"),
        (&["Bearer abc", "abc"], "Bearer abc, abc", "[..], [..]"),
        (&["abc", "abc"], "xabc", "x[..]"),
        (&["a+b"], "a b a+b a%20b a%2Bb", "[..] [..] [..] [..]"),
        (&["\u{fc}a"], "\\u00fca %C3%bca %FCa", "[..] [..] %FCa"),
    ];
    for (secrets, text, expected) in table {
        assert_eq!(hidden(secrets, text), expected, "{secrets:?} in {text}");
    }
}

#[test]
fn bytes_are_searched_like_text() {
    let body = b"\xff\x00s3cr3t\xfe%73\x80\\u0073%733cr3t";
    let shown = Secrets::new(["s3cr3t"]).hidden(body, "*").unwrap();
    assert_eq!(shown, b"\xff\x00*\xfe%73\x80\\u0073*");
    let binary = Secrets::new([b"\xff\x00\xfe"]);
    assert_eq!(binary.hidden(b"a%ff%00%FEb", "*").unwrap(), b"a*b");
}

/// Were each occurrence of the beginning read to its end, this would take hours.
#[test]
fn a_text_full_of_beginnings_is_read_once() {
    let secret = [&vec![b'a'; 64 << 10][..], b"b"].concat();
    let text = vec![b'a'; 4 << 20];
    assert!(Secrets::new([&secret]).hidden(&text, "*").is_none());
    let shown = Secrets::new([&secret]).hidden(&[&text[..], b"b"].concat(), "*");
    assert_eq!(shown.unwrap().len(), text.len() - (64 << 10) + 1);
}

#[test]
fn how_deep_a_url_is_searched() {
    let mut text = "canary/key".to_owned();
    for urls in 0..=10 {
        let secrets = Secrets::new(["canary/key"]);
        assert!(secrets.are_within(&text, 10), "{urls}");
        assert_eq!(secrets.are_within(&text, 2), urls <= 2, "{urls}");
        text = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
    }
    assert!(!Secrets::new(["canary/key"]).are_within(&text, 10));
}

/// Against a search that tries every secret at every place.
#[test]
fn what_is_found_is_what_is_there() {
    let mut random = Seeded::new(41);
    let pieces = ["a", "b", "ab", "aab", "+", " ", "\u{fc}"];
    for _ in 0..20_000 {
        let secrets: Vec<_> = (0..random.below(4))
            .map(|_| random.text(&pieces, 5).replace('+', " "))
            .filter(|secret| !secret.is_empty())
            .collect();
        let text = random.text(&pieces, 30);
        let mut shown = vec![true; text.len()];
        for secret in &secrets {
            for (at, window) in text.as_bytes().windows(secret.len()).enumerate() {
                if window.iter().map(|byte| spaced(*byte)).eq(secret.bytes()) {
                    shown[at..at + secret.len()].fill(false);
                }
            }
        }
        let mut expected = Vec::new();
        for (at, byte) in text.bytes().enumerate() {
            if shown[at] {
                expected.push(byte);
            } else if at == 0 || shown[at - 1] {
                expected.push(b'*');
            }
        }
        let found = Secrets::new(&secrets).hidden(text.as_bytes(), "*");
        let found = found.unwrap_or_else(|| text.clone().into());
        assert_eq!(found, expected, "{secrets:?} in {text:?}");
    }
}
