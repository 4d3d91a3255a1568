use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::*;

fn search_for(secrets: &[impl AsRef<str>]) -> Secrets {
    let mut search = Secrets::default();
    search.add(secrets, 1);
    search
}

fn hidden(secrets: &[&str], text: &str) -> String {
    let shown = search_for(secrets).hidden(text, "[..]");
    shown.unwrap_or_else(|| text.to_owned())
}

fn in_json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    let inner = quoted.strip_prefix('"').unwrap().strip_suffix('"');
    inner.unwrap().to_owned()
}

/// The spellings that encoders give the characters of usual tokens, plain and inside a JSON string.
#[test]
fn the_spellings_of_a_token() {
    let token = "k1+L/m=N.o-p_q~r";
    #[rustfmt::skip]
    let table = [
        ("as it is", "k1+L/m=N.o-p_q~r"),
        ("JavaScript's encodeURIComponent", "k1%2BL%2Fm%3DN.o-p_q~r"),
        ("the same in lower case", "k1%2bL%2fm%3dN.o-p_q~r"),
        ("Python's quote", "k1%2BL/m%3DN.o-p_q~r"),
        ("Go's PathEscape", "k1+L%2Fm=N.o-p_q~r"),
        ("a form", "k1%2BL%2Fm%3DN.o-p_q%7Er"),
        ("all but letters and digits", "k1%2BL%2Fm%3DN%2Eo%2Dp%5Fq%7Er"),
        ("PHP's json_encode", "k1+L\\/m=N.o-p_q~r"),
        (".NET's JSON", "k1\\u002BL/m=N.o-p_q~r"),
        ("Gson", "k1+L/m\\u003dN.o-p_q~r"),
        ("JSON with numbers", "k1\\u002BL\\u002Fm\\u003DN\\u002Eo\\u002Dp\\u005Fq\\u007Er"),
        ("Go's html/template", "k1&#43;L/m=N.o-p_q~r"),
        ("Handlebars", "k1+L/m&#x3D;N.o-p_q~r"),
        ("Mustache", "k1+L&#x2F;m&#x3D;N.o-p_q~r"),
        ("HTML with numbers", "k1&#43;L&#47;m&#61;N&#46;o&#45;p&#95;q&#126;r"),
        ("hexadecimal", "k1&#x2b;L&#x2f;m&#x3d;N&#x2e;o&#x2d;p&#x5f;q&#x7e;r"),
    ];
    for (name, written) in table {
        let shown = hidden(&[token], &format!("<{written}>"));
        assert_eq!(shown, "<[..]>", "{name}");
        let in_json = in_json(written);
        let ampersands = in_json.replace('&', "\\u0026");
        let plus = ampersands.replace('+', "\\u002B");
        for again in [in_json.replace('/', "\\/"), in_json, ampersands, plus] {
            assert_eq!(hidden(&[token], &again), "[..]", "{name}, in JSON: {again}");
        }
    }
}

/// Credentials that are no usual tokens, such as a password.
#[test]
fn the_spellings_of_other_characters() {
    #[rustfmt::skip]
    let table: [(&str, &[&str]); 6] = [
        ("two\nlines", &["two\\nlines", "two\\\\nlines", "two%0Alines", "two%0alines"]),
        ("a b+c", &["a b+c", "a%20b%2Bc", "a+b%2Bc", "a+b%2bc"]),
        ("p\u{e4}ss \"w\\d\"", &[
            "p%C3%A4ss%20%22w%5Cd%22", "p%c3%a4ss+%22w%5cd%22", "p\u{e4}ss \\\"w\\\\d\\\"", "p\\u00e4ss \\\"w\\\\d\\\"",
            "p\\u00E4ss \\\\\\\"w\\\\\\\\d\\\\\\\"", "p\u{e4}ss &quot;w\\d&quot;",
        ]),
        ("a<b>&'c", &[
            "a%3Cb%3E%26%27c", "a%3Cb%3E%26'c", "a\\u003cb\\u003e\\u0026'c", "a\\u003Cb\\u003E\\u0026\\u0027c",
            "a&lt;b&gt;&amp;&#39;c", "a\\u0026lt;b\\u0026gt;\\u0026amp;\\u0026#39;c", "a&#60;b&#62;&#38;&#39;c",
        ]),
        ("a\u{1F600}", &["a\\ud83d\\ude00", "a\\uD83D\\uDE00", "a%F0%9F%98%80", "a&#128512;"]),
        // Such a secret looks escaped itself.
        ("%25&amp;\\u0041", &["%25&amp;\\u0041", "%2525%26amp%3B%5Cu0041", "%25&amp;amp;\\u0041", "%25&amp;\\\\u0041"]),
    ];
    for (secret, spellings) in table {
        for written in spellings {
            let shown = hidden(&[secret], &format!("x{written}y"));
            assert_eq!(shown, "x[..]y", "{written}");
        }
        // Another library's encoders.
        let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        for written in [percent, in_json(secret), in_json(&in_json(secret))] {
            assert_eq!(hidden(&[secret], &written), "[..]", "{written}");
        }
    }
}

#[test]
fn where_a_secret_begins_and_ends() {
    #[rustfmt::skip]
    let table: [(&[&str], &str, &str); 11] = [
        (&["abc"], "abc", "[..]"),
        (&["abc"], "ababcabab", "ab[..]abab"),
        (&["aba"], "ababa abaaba", "[..]ba [..][..]"),
        (&["abc", "abcde"], "abcde abc", "[..] [..]"),
        (&["Bearer abc", "abc"], "Bearer abc, abc", "[..], [..]"),
        (&["a+b"], "a+b %61+b a%2b%62", "[..] %61+b a%2b%62"),
        // A body that is cut within a copy, and text that is like a secret.
        (&["a+bc"], "a%2Bb a+b a%2 a\\u002", "a%2Bb a+b a%2 a\\u002"),
        (&["abc"], "Abc ABC ab c", "Abc ABC ab c"),
        // Escaped three times, and in mixed spellings.
        (&["a+/b"], "a%25252B%25252Fb a%2B/b a&#43;%2Fb", "a%25252B%25252Fb [..] a&#43;%2Fb"),
        (&[], "text", "text"),
        (&[""], "text", "text"),
    ];
    for (secrets, text, expected) in table {
        assert_eq!(hidden(secrets, text), expected, "{secrets:?} in {text}");
    }
}

#[test]
fn a_text_need_not_be_utf_8() {
    // Bytes that are not UTF-8 stay if there is nothing to hide.
    let table: [(&str, &[u8], &[u8]); 3] = [
        (
            "s-cr3t",
            b"\xff\x00s-cr3t\xfe%73\xe4s%2Dcr3t\x80\\u002ds\\u002Dcr3t",
            "\u{FFFD}\0[credential]\u{FFFD}%73\u{FFFD}[credential]\u{FFFD}\\u002d[credential]"
                .as_bytes(),
        ),
        (
            "\u{e4}\u{f6}",
            b"\xc3\xc3\xa4\xc3\xb6\xc3",
            "\u{FFFD}[credential]\u{FFFD}".as_bytes(),
        ),
        ("s-cr3t", b"\xff\x00s-cr3\xfe", b"\xff\x00s-cr3\xfe"),
    ];
    for (secret, body, expected) in table {
        let mut shown = body.to_vec();
        let deadline = Deadline::after(Duration::from_secs(60));
        let secrets = search_for(&[secret]);
        let hidden = secrets.hide_in(&mut HeaderMap::new(), &mut shown, deadline);
        assert!(hidden.is_ok() && shown == expected, "{shown:?}");
    }
}

#[test]
fn a_short_secret_stays() {
    let mut secrets = Secrets::default();
    secrets.add(["7 bytes", "8  bytes"], MIN_CREDENTIAL);
    let shown = secrets.hidden("7 bytes, 8  bytes", "*").unwrap();
    assert_eq!(shown, "7 bytes, *");
}

#[test]
fn headers_and_the_length_of_the_body_follow() {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, 6.into());
    headers.insert("x-plain", HeaderValue::from_static("plain"));
    headers.append("x-said", HeaderValue::from_static("s-cr3t"));
    headers.append("x-said", HeaderValue::from_static("as%2dcr3tb"));
    let mut body = b"s-cr3t".to_vec();
    let deadline = Deadline::after(Duration::from_secs(60));
    let secrets = search_for(&["s-cr3t"]);
    secrets.hide_in(&mut headers, &mut body, deadline).unwrap();
    assert_eq!(body, b"[credential]");
    assert_eq!(headers[CONTENT_LENGTH], "12");
    assert_eq!(headers["x-plain"], "plain");
    let said: Vec<_> = headers.get_all("x-said").iter().collect();
    assert_eq!(said, ["[credential]", "a[credential]b"]);
}

#[test]
fn a_search_ends_at_its_deadline() {
    let secrets = search_for(&["s-cr3t"]);
    let hide = |body: &mut Vec<u8>, left| {
        let deadline = Deadline::after(left);
        let hidden = secrets.hide_in(&mut HeaderMap::new(), body, deadline);
        hidden.map_err(|error| error.code().to_owned())
    };
    let mut body = "s-cr3t ".repeat(100_000).into_bytes();
    let late = hide(&mut body, Duration::ZERO);
    assert_eq!(late, Err("timeout".to_owned()));
    assert_eq!(hide(&mut body, Duration::from_secs(60)), Ok(()));
    assert_eq!(body, "[credential] ".repeat(100_000).into_bytes());
    let nothing_to_replace = &mut b"another body".to_vec();
    assert_eq!(hide(nothing_to_replace, Duration::ZERO), Ok(()));
}

/// The work is a number of passes over the text that depends on the secret alone, and each pass is one of `str`, which is
/// linear. The texts are full of near misses.
#[test]
fn a_hostile_body_takes_no_longer() {
    const TEXT: usize = 256 << 10;
    const SECRET: usize = 1 << 10;
    let last = |text: &str| text.repeat(SECRET / text.len()) + "!";
    let table = [
        ("a", last("a")),
        ("a%2B", last("a+")),
        ("%\\&", last("+/=.-_~")),
    ];
    for (piece, secret) in table {
        assert!(spellings(&secret).len() <= 100, "passes for {piece}");
        let text = piece.repeat(TEXT / piece.len());
        let search = search_for(&[&secret]);
        assert!(search.hidden(&text, "*").is_none(), "{piece}");
        let shown = search.hidden(&(text + &secret), "*");
        assert!(shown.unwrap().ends_with('*'), "{piece}");
    }
}
