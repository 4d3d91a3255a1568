use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::*;
use crate::seeded::Seeded;

/// A secret with every character that one of the encoders changes.
const SECRET: &str = "s3cr/t+k <y\"q\\n\u{fc}%41\u{1f511}=";

type Encoder = (&'static str, fn(&str) -> String);

/// The characters that a form encodes, and the space.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'*')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_');

/// The first three encoders are for URLs, the next four for JSON, and the last four for HTML.
const ENCODERS: [Encoder; 11] = [
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
    ("html", |text| {
        let escaped = text.replace('&', "&amp;").replace('"', "&quot;");
        escaped.replace('\'', "&apos;").replace('<', "&lt;")
    }),
    // As in Go's html/template.
    ("html in attributes", |text| {
        let escape = |c: char| match c {
            '&' => "&amp;".to_owned(),
            '"' | '\'' | '+' => format!("&#{};", u32::from(c)),
            c => c.to_string(),
        };
        text.chars().map(escape).collect()
    }),
    ("html in hexadecimal", |text| {
        let escape = |c: char| format!("&#x{:X};", u32::from(c));
        text.chars().map(escape).collect()
    }),
    ("html in ascii", |text| {
        let escape = |c: char| match c {
            '&' | '\u{80}'.. => format!("&#x{:04x};", u32::from(c)),
            c => c.to_string(),
        };
        text.chars().map(escape).collect()
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
    // Text that is escaped twice, for a secret without `%`, `\` and `&`.
    let nested = "s3cr/t+k\"\u{fc}\u{1f511}=";
    for kind in [&ENCODERS[..3], &ENCODERS[3..6], &ENCODERS[7..9]] {
        for (first, encode) in kind {
            let once = encode(nested);
            for (second, encode) in kind {
                let twice = encode(&once);
                assert_eq!(
                    hidden(&[nested], &twice),
                    "[..]",
                    "{first}, {second}: {twice}"
                );
                for (third, encode) in &kind[..2] {
                    let thrice = encode(&twice);
                    assert_eq!(
                        hidden(&[nested], &thrice),
                        "[..]",
                        "{first}, {second}, {third}: {thrice}"
                    );
                }
            }
        }
    }
    for (name, encode) in ENCODERS {
        check(&[name], &encode(SECRET));
    }
    let mixed: String = SECRET
        .chars()
        .zip(ENCODERS.iter().cycle())
        .map(|(c, (_, encode))| encode(&c.to_string()))
        .collect();
    check(&["each character in another way"], &mixed);
}

/// The first characters of such a secret can be read in two ways.
#[test]
fn a_secret_that_looks_like_an_escape_is_found() {
    let secrets = [
        "%25%2541",
        "%%25",
        "\\\\\\x",
        "\\u0041bc",
        "&amp;amp;",
        "&#38;x",
        "%u0041&",
    ];
    for secret in secrets {
        assert_eq!(hidden(&[secret], secret), "[..]", "{secret}");
        for (name, encode) in ENCODERS {
            assert_eq!(
                hidden(&[secret], &encode(secret)),
                "[..]",
                "{name}: {secret}"
            );
        }
    }
}

#[test]
fn what_is_not_a_secret_stays_as_it_is() {
    let texts = [
        "",
        "s3cr/t+k <y\"q\\n\u{fc}%41\u{1f511}",
        "3cr/t+k <y\"q\\n\u{fc}%41\u{1f511}=",
        "100% \\ \\u12 \\uD800 \\uD83D\\u0041 %4 %zz %",
        "&#115 &#x73; &#; &#xFFFFFF; &amp;&amp;#11; & &;",
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
    let table: [(&[&str], &str, &str); 15] = [
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
        (&["a+b"], "a b a+b a%20b a%2Bb", "a b [..] a%20b [..]"),
        (&["a b"], "a b a+b a%20b a%2Bb", "[..] [..] [..] a%2Bb"),
        (
            &["a+b"],
            "a&#43;b a&#043;b a&#x2b;b a\\u002bb",
            "[..] [..] [..] [..]",
        ),
        // HTML in JSON, as Go writes it.
        (
            &["a+b/c="],
            "a\\u0026#43;b/c= a\\u0026#x2b;b\\u0026amp;#47;c=",
            "[..] [..]",
        ),
        (&["\u{fc}a"], "\\u00fca %C3%bca %FCa", "[..] [..] %FCa"),
    ];
    for (secrets, text, expected) in table {
        assert_eq!(hidden(secrets, text), expected, "{secrets:?} in {text}");
    }
}

#[test]
fn a_text_need_not_be_utf_8() {
    let body = b"\xff\x00s3cr3t\xfe%73\x80\\u0073%733cr3t";
    let shown = Secrets::new(["s3cr3t"]).hidden(body, "*").unwrap();
    assert_eq!(shown, b"\xff\x00*\xfe%73\x80\\u0073*");
    let binary = Secrets::new([b"\xff\x00\xfe"]);
    assert!(binary.hidden(b"a\xff\x00\xfeb", "*").is_none());
}

/// The time would be quadratic if each escape character started a scan to the end of the text.
#[test]
fn a_body_full_of_beginnings_takes_no_longer() {
    let secret = "%%&&\\\\ eyJhbGciOiJIUzI1NiJ9".repeat(8);
    let secrets = Secrets::new([&secret]);
    let almost = secret.strip_suffix('9').unwrap();
    for piece in ["%", "%25", "\\", "&", "&amp;", "%25\\&amp;", "e", almost] {
        let text = piece.repeat((128 << 10) / piece.len());
        assert!(secrets.hidden(text.as_bytes(), "*").is_none(), "{piece}");
        let shown = secrets.hidden((text.clone() + &secret).as_bytes(), "*");
        assert!(shown.unwrap().ends_with(b"*"), "{piece}");
    }
}

#[test]
fn headers_and_the_length_of_the_body_follow() {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, 6.into());
    headers.insert("x-plain", HeaderValue::from_static("plain"));
    headers.append("x-said", HeaderValue::from_static("s3cr3t"));
    headers.append("x-said", HeaderValue::from_static("a%733cr3tb"));
    let mut body = b"s3cr3t".to_vec();
    Secrets::new(["s3cr3t"]).hide_in(&mut headers, &mut body);
    assert_eq!(body, b"[credential]");
    assert_eq!(headers[CONTENT_LENGTH], "12");
    assert_eq!(headers["x-plain"], "plain");
    let said: Vec<_> = headers.get_all("x-said").iter().collect();
    assert_eq!(said, ["[credential]", "a[credential]b"]);
}

/// Compares the result with a search that tries every secret at every position.
#[test]
fn what_is_found_is_what_is_there() {
    let mut random = Seeded::new(41);
    let pieces = ["a", "b", "ab", "aab", "+", " ", "\u{fc}"];
    for _ in 0..20_000 {
        let secrets: Vec<_> = (0..random.below(4))
            .map(|_| random.text(&pieces, 5))
            .filter(|secret| !secret.is_empty())
            .collect();
        let text = random.text(&pieces, 30);
        let mut shown = vec![true; text.len()];
        for secret in &secrets {
            for (at, window) in text.as_bytes().windows(secret.len()).enumerate() {
                let spaced = |(own, byte)| own == byte || (own, byte) == (b' ', b'+');
                if secret.bytes().zip(window.iter().copied()).all(spaced) {
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
