use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::*;
use crate::seeded::Seeded;

/// A secret that every encoder changes.
const SECRET: &str = "s3cr/t+k <y\"q\\n\u{fc}%41=";

type Encoder = (&'static str, fn(&str) -> String);

/// The characters that the encoder `form` percent-encodes. The encoder then replaces `%20` with `+`.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'*')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_');

/// The first three encoders are for URLs, the next three for JSON, and the last three for HTML.
const ENCODERS: [Encoder; 9] = [
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
    ("html in ascii", |text| {
        let escape = |c: char| match c {
            '&' | '\u{80}'.. => format!("&#x{:x};", u32::from(c)),
            c => c.to_string(),
        };
        text.chars().map(escape).collect()
    }),
];

fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted.trim_matches('"').to_owned()
}

fn search_for(texts: &[impl AsRef<str>]) -> Secrets {
    let mut secrets = Secrets::new(1);
    secrets.add(texts.iter().map(AsRef::as_ref).map(str::as_bytes));
    secrets
}

fn hidden(secrets: &[&str], text: &str) -> String {
    let hidden = search_for(secrets).hidden(text.as_bytes(), "[..]");
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
    // A URL in another URL is encoded twice, and a redirect may encode the whole URL once more.
    let nested = "s3cr/t+k%\"\u{fc}=";
    for (first, encode) in &ENCODERS[..3] {
        let once = encode(nested);
        for (second, encode) in &ENCODERS[..3] {
            let twice = encode(&once);
            assert_eq!(
                hidden(&[nested], &twice),
                "[..]",
                "{first}, {second}: {twice}"
            );
            for (third, encode) in &ENCODERS[..2] {
                let thrice = encode(&twice);
                assert_eq!(
                    hidden(&[nested], &thrice),
                    "[..]",
                    "{first}, {second}, {third}: {thrice}"
                );
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
        "s3cr/t+k <y\"q\\n\u{fc}%41",
        "3cr/t+k <y\"q\\n\u{fc}%41=",
        "100% \\ \\u12 \\uD800 \\uD83D\\u0041 %4 %zz %",
        "&#115 &#x73; &#; &#xFFFFFF; &amp;&amp;#11; & &;",
    ];
    for text in texts {
        assert_eq!(hidden(&[SECRET], text), text);
        assert!(search_for(&[SECRET]).hidden(text.as_bytes(), "").is_none());
    }
    assert_eq!(hidden(&[], "text"), "text");
    assert_eq!(hidden(&[""], "text"), "text", "an empty secret is ignored");
}

#[test]
fn where_a_secret_begins_and_ends() {
    #[rustfmt::skip]
    let table: [(&[&str], &str, &str); 26] = [
        (&["abc"], "abc", "[..]"),
        (&["abc"], "ababcabab", "ab[..]abab"),
        (&["abc"], "abcxabc", "[..]x[..]"),
        (&["abc"], "abcabc", "[..][..]"),
        (&["aab"], "aaaab", "aa[..]"),
        (&["aba"], "ababa abaaba", "[..] [..][..]"),
        (&["abc", "bcd", "cde"], "abcde abcd", "[..] [..]"),
        (&["abc", "abcde"], "abcde", "[..]"),
        (&["abcde", "c"], "abcde c", "[..] [..]"),
        (&["Bearer abc", "abc"], "Bearer abc, abc", "[..], [..]"),
        (&["abc", "abc"], "xabc", "x[..]"),
        (&["a+b"], "a b a+b a%20b a%2Bb", "[..] [..] [..] [..]"),
        (&["a b"], "a b a+b a%20b a%2Bb", "[..] [..] [..] [..]"),
        (&["a+b"], "a&#43;b a&#043;b a&#x2b;b a\\u002bb", "[..] [..] [..] [..]"),
        // HTML in JSON, as Go writes it.
        (&["a+b/c="], "a\\u0026#43;b/c= a\\u0026#43;b\\u0026#47;c=", "[..] [..]"),
        (&["\u{fc}a"], "\\u00fca %C3%BCa %FCa &uuml;a", "[..] [..] [..] &uuml;a"),
        (&["a\r\n\t\u{8}\u{c}b"], "a\\r\\n\\t\\b\\fb a\\u000d\\n\\t\\u0008\\u000Cb", "[..] [..]"),
        (&["a\u{1F600}"], "a\\ud83d\\ude00 a\\uD83D\\uDE00 a\u{1F600} a\\ud83d", "[..] [..] [..] a\\ud83d"),
        // The second backslash is escaped once more.
        (&["a\u{1F600}"], "a\\ud83d\\u005Cude00 a\\ud83%64%5Cude00", "[..] [..]"),
        // The second of two surrogates, without the first.
        (&["u0041"], "u0041\\ude00 ud83d\\ude00", "[..]\\ude00 ud83d\\ude00"),
        (&["ud83d"], "u0041\\ude00 ud83d\\ude00", "u0041\\ude00 [..]\\ude00"),
        // An escape of JSON that is cut off.
        (&["25ab"], "\\u00\\u0032\\u0035ab \\u00\\u00325ab", "\\u00[..] \\u00[..]"),
        // Only a part of the escape is escaped.
        (&["Abc"], "\\%750041bc \\u00%341bc %\\u00341bc &#6&#x35;;bc", "[..] [..] [..] [..]"),
        // JSON in JSON in JSON.
        (&["a/b=\"\n"], r#"a\/b\u003d\\\"\n a\\\/b\\u003D\\\\\\\"\\n"#, "[..] [..]"),
        // Letters and digits may be escaped as well.
        (&["ab1"], "%61b1 \\u0061b&#x31;", "[..] [..]"),
        // Text before a secret may look like the beginning of an escape.
        (&["25ab", "u0061b"], "%25ab \\u0061b &#25ab;", "%[..] \\[..] &#[..];"),
    ];
    for (secrets, text, expected) in table {
        assert_eq!(hidden(secrets, text), expected, "{secrets:?} in {text}");
    }
}

#[test]
fn a_text_need_not_be_utf_8() {
    let body = b"\xff\x00s-cr3t\xfe%73\x80\\u002ds%2Dcr3t";
    let shown = search_for(&["s-cr3t"]).hidden(body, "*").unwrap();
    assert_eq!(shown, b"\xff\x00*\xfe%73\x80\\u002d*");
    let mut binary = Secrets::new(1);
    binary.add([b"\xff\x00\xfe and more"]);
    let shown = binary.hidden(b"a\xff\x00\xfe and more", "*");
    assert_eq!(shown.unwrap(), b"a*");
}

#[test]
fn a_secret_across_blocks_is_found() {
    let secret = SECRET.repeat(BLOCK / SECRET.len() + 1);
    for (name, encode) in ENCODERS {
        let (short, long) = (encode(SECRET), encode(&secret));
        for before in (BLOCK - short.len()..=BLOCK).chain([0, 1]) {
            let text = [&*"x".repeat(before), &short, "y"].concat();
            let shown = hidden(&[SECRET], &text);
            assert_eq!(shown, "x".repeat(before) + "[..]y", "{name}, {before}");
        }
        assert_eq!(hidden(&[&secret], &format!("x{long}y")), "x[..]y", "{name}");
    }
}

/// The time would be quadratic if each escape character started a scan to the end of the text.
#[test]
fn a_body_full_of_beginnings_takes_no_longer() {
    let secret = "%%&&\\\\ eyJhbGciOiJIUzI1NiJ9".repeat(8);
    let search = search_for(&[&secret]);
    let almost = secret.strip_suffix('9').unwrap();
    for piece in ["%", "%25", "\\", "&", "&amp;", "%25\\&amp;", "e", almost] {
        let text = piece.repeat((128 << 10) / piece.len());
        assert!(search.hidden(text.as_bytes(), "*").is_none(), "{piece}");
        let shown = search.hidden((text.clone() + &secret).as_bytes(), "*");
        assert!(shown.unwrap().ends_with(b"*"), "{piece}");
    }
}

#[test]
fn headers_and_the_length_of_the_body_follow() {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, 6.into());
    headers.insert("x-plain", HeaderValue::from_static("plain"));
    headers.append("x-said", HeaderValue::from_static("s-cr3t"));
    headers.append("x-said", HeaderValue::from_static("as%2dcr3tb"));
    let mut body = b"s-cr3t".to_vec();
    let mut secrets = Secrets::new(1);
    secrets.add([b"s-cr3t"]);
    let deadline = Deadline::after(Duration::from_secs(60));
    secrets.hide_in(&mut headers, &mut body, deadline).unwrap();
    assert_eq!(body, b"[credential]");
    assert_eq!(headers[CONTENT_LENGTH], "12");
    assert_eq!(headers["x-plain"], "plain");
    let said: Vec<_> = headers.get_all("x-said").iter().collect();
    assert_eq!(said, ["[credential]", "a[credential]b"]);
}

#[test]
fn a_search_ends_at_its_deadline() {
    let mut secrets = Secrets::new(1);
    secrets.add([b"s-cr3t"]);
    let mut body = "s-cr3t ".repeat(100_000).into_bytes();
    let late = secrets.hide_in(
        &mut HeaderMap::new(),
        &mut body,
        Deadline::after(Duration::ZERO),
    );
    assert_eq!(late.unwrap_err().code(), "timeout");
    let in_time = Deadline::after(Duration::from_secs(60));
    secrets
        .hide_in(&mut HeaderMap::new(), &mut body, in_time)
        .unwrap();
    assert!(body.starts_with(b"[credential] [credential] "));
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
        let is_at = |secret: &str, start: usize| {
            let found = text.as_bytes().get(start..start + secret.len());
            let same = |(own, byte): (u8, &u8)| plain(own) == plain(*byte);
            found.is_some_and(|found| secret.bytes().zip(found).all(same))
        };
        // Secrets that overlap are replaced together.
        let mut expected = Vec::new();
        let (mut start, mut end) = (0, 0);
        for at in 0..=text.len() {
            let ends = secrets.iter().filter(|secret| is_at(secret, at));
            let longest = ends.map(|secret| at + secret.len()).max().unwrap_or(0);
            if at >= end {
                if end > start {
                    expected.push(b'*');
                }
                expected.extend(text.as_bytes().get(at).filter(|_| longest == 0));
                start = at;
                end = longest;
            }
            end = end.max(longest);
        }
        let found = search_for(&secrets).hidden(text.as_bytes(), "*");
        let found = found.unwrap_or_else(|| text.clone().into());
        assert_eq!(found, expected, "{secrets:?} in {text:?}");
    }
}
