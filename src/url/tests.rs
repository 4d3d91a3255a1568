use super::*;

fn normal(text: &str) -> String {
    parse(text).map_or_else(Problem::into_owned, |url| url.to_string())
}

#[test]
fn the_normal_form() {
    let table = [
        ("HTTPS://A.Example/Path?Q", "https://a.example/Path?Q"),
        ("hTtP://a.example:80/", "http://a.example/"),
        ("https://a.example:0443/", "https://a.example/"),
        ("https://a.example:80/", "https://a.example:80/"),
        ("http://a.example:443/", "http://a.example:443/"),
        ("https://a.example:/x", "https://a.example/x"),
        ("https://a.example:65535/", "https://a.example:65535/"),
        ("https://a.example?q=1", "https://a.example/?q=1"),
        ("https://a.example#@evil.example/", "https://a.example/"),
        ("https://a.example/x?#f?g", "https://a.example/x?"),
        ("https://a.example./", "https://a.example./"),
        ("https://a_b-c.example/", "https://a_b-c.example/"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
        ("http://[0:0:0:0:0:0:0:1]:80/", "http://[::1]/"),
        ("https://a/é?ü=日", "https://a/%C3%A9?%C3%BC=%E6%97%A5"),
        (
            "https://a.example/\"<>\\^`{|}",
            "https://a.example/%22%3C%3E%5C%5E%60%7B%7C%7D",
        ),
        ("https://a.example/a%2Fb%zz%", "https://a.example/a%2Fb%zz%"),
        (
            "https://a.example//!$&'()*+,;=:@[]~-._",
            "https://a.example//!$&'()*+,;=:@[]~-._",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(normal(text), expected, "{text:?}");
        assert_eq!(normal(expected), expected, "normal already");
    }
}

#[test]
fn what_is_not_a_url_and_why() {
    #[rustfmt::skip]
    let table: [(&str, &[&str]); 6] = [
        ("is empty; give an absolute URL such as https://host.example", &["", " \n"]),
        ("has no scheme; give an absolute URL such as https://host.example/path, without quotes around it", &[
            "a.example", "a.example:443/x", "/x", "://a.example", "1http://a.example", "ht_tp://a.example",
        ]),
        ("does not begin with https:// or http://", &[
            "ftp://a.example/", "httpss://a.example", "https:a.example", "https:/a.example", "https:/\\a.example",
        ]),
        ("has a user name or password; leave it out", &[
            "https://u:p@a.example/", "https://@a.example/", "https://a.example:443@evil.example/",
        ]),
        ("its port is not a number up to 65535", &[
            "https://a.example:65536/", "https://a.example:-1/", "https://a.example:+1/", "https://a.example:80a/",
        ]),
        ("its host is missing, or is not an ASCII name or an address; write other letters in xn-- form", &[
            "https:///x", "https://?x", "https://#x", "https://:443/", "https://a.example\\/",
            "https://a.example:80:80/", "https://%61.example/", "https://a,b/", "https://[::1/", "https://::1]/",
            "https://[]/", "https://[::1]x:80/", "https://[127.0.0.1]/", "https://[fe80::1%25eth0]/",
            "https://127.1/", "https://0X7f000001/", "https://127.0.0.01/", "https://127.0.0.1./", "https://a.0x/",
            "https://bücher.example/", "https://a。example/", "https://a.example／evil.example",
        ]),
    ];
    for (problem, urls) in table {
        for text in urls {
            let parsed = parse(text).map(|url| url.to_string());
            assert_eq!(parsed.unwrap_err(), problem, "{text:?}");
        }
    }
    for byte in (0..=b' ').chain([0x7F]) {
        for (text, at) in [("https://a.ex?ample/", 12), ("?https://a/", 0)] {
            let text = text.replace('?', &char::from(byte).to_string());
            let expected = format!(
                "has a space or control character at byte {at}; remove it, or percent-encode it in a path or query"
            );
            assert_eq!(parse(&text).unwrap_err(), expected, "{text:?}");
        }
    }
    let long = format!("https://a.example/{}", "x".repeat(70_000));
    assert!(parse(&long).unwrap_err().starts_with("not a URL"));
}

/// Examples from RFC 3986 section 5.4, and references that servers send.
#[test]
fn references() {
    let base = parse("http://a/b/c/d;p?q").unwrap();
    let table = [
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("?", "http://a/b/c/d;p?"),
        ("#s", "http://a/b/c/d;p?q"),
        ("", "http://a/b/c/d;p?q"),
        ("g;x?y#s", "http://a/b/c/g;x?y"),
        (".", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../", "http://a/b/"),
        ("../../g", "http://a/g"),
        ("../../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("//h/c/../d/./g?x/../y", "http://h/d/g?x/../y"),
        ("http://h/c/../d/./g", "http://h/d/g"),
        ("g.", "http://a/b/c/g."),
        ("..g", "http://a/b/c/..g"),
        ("./g/.", "http://a/b/c/g/"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("g#s/../x", "http://a/b/c/g"),
        (" /g\t\r\n", "http://a/g"),
        ("/a b?c d", "http://a/a%20b?c%20d"),
        ("./g:80", "http://a/b/c/g:80"),
        ("g/h:80", "http://a/b/c/g/h:80"),
        ("?g:80", "http://a/b/c/d;p?g:80"),
        ("HTTPS://G:443/x", "https://g/x"),
        ("/a//b", "http://a/a//b"),
    ];
    for (reference, expected) in table {
        assert_eq!(join(&base, reference).unwrap(), expected, "{reference:?}");
    }
    let root = parse("https://a.example").unwrap();
    for (reference, expected) in [("g", "/g"), ("..", "/"), ("?q", "/?q"), ("", "/")] {
        let expected = format!("https://a.example{expected}");
        assert_eq!(join(&root, reference).unwrap(), *expected, "{reference:?}");
    }
}

#[test]
fn hostile_references_are_refused_or_stay_on_the_origin() {
    let base = parse("https://good.example/dir/page?q").unwrap();
    #[rustfmt::skip]
    let stay = [
        "/\\evil.example", "\\\\evil.example", "./\\evil.example", "%2f%2fevil.example", "/.//evil.example",
        "/..//evil.example", "x//evil.example", "@evil.example", ".evil.example", "?//evil.example", "#//evil.example", "?@evil.example", "/@evil.example",
        "／／evil.example", "HTTPS://GOOD.example:443/x", "//good.EXAMPLE", "//good.example:?x",
    ];
    for reference in stay {
        let url = join(&base, reference).unwrap();
        let case = format!("{reference:?} -> {url}");
        assert_eq!(origin(&url), "https://good.example", "{case}");
        assert!(same_origin(&url, &base), "{case}");
    }
    #[rustfmt::skip]
    let refused = [
        "https:evil.example", "https:/\\evil.example", "///evil.example", "//\\evil.example", "//", "// evil.example",
        "view-source:https://evil.example", "//evil.example\\.good.example/", "//good.example@evil.example",
        "//good.example%2eevil.example", "//good。example", "//good.example:443:443", "//127.1", "javascript:alert(1)",
        "ht\ttps://evil.example", "/\t/evil.example", "/\r\nHost: evil.example", "//evil\t.example",
        "://evil.example", ":80@evil.example", "evil.example:443/x", "127.0.0.1:80",
    ];
    for reference in refused {
        let joined = join(&base, reference).map(|url| url.to_string());
        assert!(joined.is_err(), "{reference:?} -> {joined:?}");
    }
    let leave = [
        ("//good.example.", "https://good.example."),
        ("//good.example:8443", "https://good.example:8443"),
        ("http://good.example", "http://good.example"),
        ("http://good.example:443", "http://good.example:443"),
        ("//evil.example?@good.example", "https://evil.example"),
        ("//evil.example#@good.example", "https://evil.example"),
    ];
    for (reference, elsewhere) in leave {
        let url = join(&base, reference).unwrap();
        assert_eq!(origin(&url), elsewhere, "{reference:?}");
        assert!(!same_origin(&url, &base), "{reference:?}");
    }
}

#[test]
fn this_machine() {
    #[rustfmt::skip]
    let table: [(bool, &[&str]); 2] = [
        (true, &["http://LOCALHOST:80/", "http://127.255.255.254/", "http://[::1]:8080/"]),
        (false, &[
            "http://localhost.evil.example/", "http://127.0.0.1.evil.example/", "http://evil.example/localhost",
            "http://0.0.0.0/", "http://[::]/", "http://128.0.0.1/", "http://xlocalhost/",
        ]),
    ];
    for (here, urls) in table {
        for text in urls {
            assert_eq!(is_loopback(&parse(text).unwrap()), here, "{text}");
        }
    }
    assert!(is_https(&parse("HTTPS://a").unwrap()) && !is_https(&parse("http://a").unwrap()));
}

/// Some of these hosts are another machine, and some are this one.
#[test]
fn the_problem_of_plain_http_does_not_say_where_the_host_is() {
    let hosts = [
        "0.0.0.0:8080",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "10.0.0.1",
        "localhost.evil.example",
        "localhost.",
        "app.localhost",
    ];
    for host in hosts {
        let url = parse(&format!("http://{host}/?secret")).unwrap();
        let problem = "is plain http, and its host is neither `localhost` nor a loopback address; use https (or 127.0.0.1 for a \
                       server on this machine), or set allow_insecure_http";
        assert_eq!(not_confidential(&url), format!("http://{host} {problem}"));
    }
}

#[test]
fn values_in_segments_and_queries() {
    let table = [
        ("", ""),
        ("aZ09-._~", "aZ09-._~"),
        ("a/b?c#d%e f", "a%2Fb%3Fc%23d%25e%20f"),
        ("+&=;@:", "%2B%26%3D%3B%40%3A"),
        ("é\r\0\x7f", "%C3%A9%0D%00%7F"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("...", "..."),
    ];
    for (value, expected) in table {
        assert_eq!(encode(value), expected, "{value:?}");
        assert_eq!(path_segment(value), expected, "{value:?}");
    }
    let table: [(&str, bool, &[u8]); 7] = [
        ("a%2Fb%3f+", false, b"a/b?+"),
        ("+%2B%", true, b" +%"),
        ("%4", true, b"%4"),
        ("%+4%4g", false, b"%+4%4g"),
        ("%%41", false, b"%A"),
        ("%2541", false, b"%41"),
        ("%ff", true, b"\xff"),
    ];
    for (text, plus, expected) in table {
        assert_eq!(decode(text, plus), expected, "{text:?}");
    }
}
