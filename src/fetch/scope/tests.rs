use super::*;
#[cfg(differential)]
use crate::seeded::Seeded;

fn joined(base: &str, url: &str) -> Result<String, (String, String)> {
    let joined = Base::parse(base).and_then(|base| base.absolute(url));
    joined.map_err(|error| (error.code().to_owned(), error.message().to_owned()))
}

#[test]
fn what_is_relative_is_appended() {
    #[rustfmt::skip]
    let table = [
        ("https://a.example/v3", "/user", "https://a.example/v3/user"),
        ("https://a.example/v3", "user", "https://a.example/v3/user"),
        ("https://a.example/v3/", "user", "https://a.example/v3/user"),
        ("https://a.example/", "/user/", "https://a.example/user/"),
        (" https://a.example/v3 ", "", "https://a.example/v3"),
        ("https://a.example/v3/", "", "https://a.example/v3/"),
        ("https://a.example/v3", "?q=/../x", "https://a.example/v3?q=/../x"),
        ("https://a.example/v3", "user?q=https://b.example", "https://a.example/v3/user?q=https://b.example"),
        ("https://a.example/v3", "a//b/./c", "https://a.example/v3/a//b/./c"),
        ("https://a.example/v3", "a%20b/c%0Ad/e%3Bf", "https://a.example/v3/a%20b/c%0Ad/e%3Bf"),
        ("https://a.example/v3", "第１．２章/¥100/100%25", "https://a.example/v3/第１．２章/¥100/100%25"),
        ("https://a.example/v3", "100%used", "https://a.example/v3/100%used"),
        ("https://a.example/v3", "main...dev/v1..v2", "https://a.example/v3/main...dev/v1..v2"),
        ("https://a.example/v3", "a..b/.-", "https://a.example/v3/a..b/.-"),
        ("https://a.example/v3", "b.example:80/x", "https://a.example/v3/b.example:80/x"),
        ("https://a.example/v3", "\\b.example", "https://a.example/v3/\\b.example"),
        ("https://a.example/{key}", "/x/{key}", "https://a.example/{key}/x/%7Bkey%7D"),
        ("https://a.example/{key}", "https://b.example/{key}", "https://b.example/%7Bkey%7D"),
        ("https://a.example/v3", "HTTPS://b.example/x", "HTTPS://b.example/x"),
    ];
    for (base, url, expected) in table {
        assert_eq!(joined(base, url).as_deref(), Ok(expected), "{base} {url}");
    }
}

#[test]
fn what_would_leave_the_base_is_refused() {
    #[rustfmt::skip]
    let urls = [
        ("//b.example/x", "url: begins with two slashes, which introduce a host; write one slash"),
        ("\\\\b.example", "url: begins with two slashes, which introduce a host; write one slash"),
        ("/a b", "url: has a space or control character at byte 2; remove it, or percent-encode it in a path or query"),
        ("..", "url: has a `..` segment that may point outside base_url; remove the segment"),
        ("/%c0%ae%c0%ae/x", "url: has a `%u` escape, a `%00`, or an escape that is not UTF-8, which servers read in different ways; remove it"),
    ];
    for (url, message) in urls {
        let expected = Err(("invalid_input".to_owned(), message.to_owned()));
        assert_eq!(joined("https://a.example/v3", url), expected, "{url}");
    }
    #[rustfmt::skip]
    let climbing = [
        "/../x", "a/..?q", "a\\..\\b", ".%2E/x", "a%2f..%2fb", "a%5c..", "..;v=1/x", "%2e%2e%3bv/x",
        "%2525252e%2525252e", "x/..#y", "..%3Fx", "x/..%23y", "%%32e%%32e", ".%2%65",
        // `%u` escapes, which IIS decoded, and overlong UTF-8 (RFC 3629 section 3).
        "%u002e%u002E/x", "..%u2215x", "..%25u002fx", "%c0%ae%c0%ae/x", ".%e0%80%ae/x", "%f0%80%80%ae./x", "..%c0%afx",
        "..%c1%9cx", "%C0%2E%C0%2E/x", "..%ff/x",
        // Characters that end a name in C, or that Windows trims.
        "..%00/x", "..%00.png", "x/..%20/y", "%20../x", "..%0A", ".%09./x", ".%0d%0a.", "..%C2%A0/x", ".%E2%80%8B./x",
        // Characters that become dots and slashes by Unicode's compatibility forms or in a code page.
        "．．/x", "%EF%BC%8E%EF%BC%8E/x", "․․/x", ".﹒/x", "‥/x", "︰/x", "。｡/x", "..／x", "..%EF%BC%8Fx", "..∕x", "..＼x", "..¥x",
        "..⁄x", "x∖..", "..；x", "︒︒/x", ".︒/x", "..￥x", "..￦x",
        // Characters that do not show, and punctuation.
        ".%EF%B8%8F./x", "..%CD%8F/x", ".%C2%AD.", "..%E3%85%A4/x", "\"../x", "..~", "(..)", "..+/x", ".+./x",
        // A server that removes `../` once makes `../` of the first path.
        "....//x", "...", "…/x",
    ];
    for url in climbing {
        assert!(joined("https://a.example/v3", url).is_err(), "{url}");
    }
}

/// Parses the URL with another library: as written, as sent, and decoded once or twice.
#[cfg(differential)]
#[test]
fn nothing_that_is_appended_leaves_the_base() {
    #[rustfmt::skip]
    let pieces = [
        "/", "\\", ".", "..", "%2e", "%2E", "%252e", "%2f", "%5C", "%255c", ";", "a", "b.example", ":", "@",
        "?", "#", "//", "%", "25", "{", "http",
    ];
    let mut random = Seeded::new(43);
    let mut appended = 0;
    for _ in 0..50_000 {
        let url = random.text(&pieces, 8);
        let Ok(text) = joined("https://a.example/v3", &url) else {
            continue;
        };
        if url::split_scheme(&url).is_some() {
            continue;
        }
        appended += 1;
        let decoded = |text: &str| String::from_utf8_lossy(&url::decode(text, false)).into_owned();
        let path = text.split(['?', '#']).next().unwrap();
        let sent = url::parse(&text).unwrap().to_string();
        let once = decoded(path);
        for read in [&text, &sent, &once, &decoded(&once)] {
            let read = ::url::Url::parse(read).unwrap();
            assert_eq!(read.host_str(), Some("a.example"), "{url}");
            let path = read.path();
            assert!(path == "/v3" || path.starts_with("/v3/"), "{url}: {path}");
        }
    }
    assert!(appended > 10_000, "{appended}");
}

#[test]
fn a_base_that_is_not_usable_is_an_error() {
    let table = [
        ("", "base_url: is empty"),
        ("api.example", "base_url: has no scheme"),
        ("https://u:p@a.example", "base_url: has a user name"),
        ("https://a.example/v3?key=1", "base_url: has a query"),
        ("https://a.example/#x", "base_url: has a query"),
    ];
    for (base, message) in table {
        let (code, said) = joined(base, "").unwrap_err();
        assert_eq!(code, "invalid_input", "{base}");
        assert!(said.starts_with(message), "{base}: {said}");
    }
}

/// Returns whether the rules allow the target.
fn include(rules: &[&str], target: &Uri) -> Result<bool> {
    let rules: Result<Vec<Rule>> = rules.iter().map(|rule| Rule::parse(rule)).collect();
    Ok(rules?.iter().any(|rule| rule.matches(target)))
}

#[test]
fn which_hosts_match_which_rules() {
    let table = [
        (" API.github.com ", "https://api.GitHub.com:8443/x", true),
        ("api.github.com", "https://evil-api.github.com/", false),
        ("api.github.com", "https://x.api.github.com/", false),
        ("api.github.com", "https://api.github.com./", false),
        ("github.com", "https://github.com.evil.example/", false),
        ("github.com", "https://evil.example/?github.com", false),
        ("api.github.com:443", "https://api.github.com/", true),
        ("api.github.com:443", "http://api.github.com/", false),
        ("api.github.com:80", "http://api.github.com/", true),
        ("api.github.com:8443", "https://api.github.com:8443/", true),
        ("*.GitHub.com", "https://API.github.COM/", true),
        ("*.github.com", "https://a.b.github.com/", true),
        ("*.github.com", "https://github.com/", false),
        ("*.github.com", "https://evilgithub.com/", false),
        ("*.github.com", "https://.github.com/", false),
        ("*.github.com:8443", "https://api.github.com/", false),
        ("127.0.0.1", "http://127.0.0.1:8080/", true),
        ("localhost", "http://127.0.0.1/", false),
        ("[0:0:0:0:0:0:0:1]", "http://[::1]:8080/", true),
        ("[::1]:8080", "http://[::1]:8081/", false),
    ];
    for (rule, target, allowed) in table {
        let included = include(&[rule], &url::parse(target).unwrap());
        assert_eq!(included.unwrap(), allowed, "{rule} and {target}");
    }
}

#[test]
fn any_rule_will_do_and_a_broken_one_is_never_passed_over() {
    let target = url::parse("https://api.github.com/?key=canary").unwrap();
    let table = [
        (vec!["gitlab.com", "api.github.com"], Some(true)),
        (vec!["gitlab.com", "*.example"], Some(false)),
        (vec!["api.github.com", "https://gitlab.com"], None),
    ];
    for (rules, expected) in table {
        let included = include(&rules, &target);
        assert!(!format!("{included:?}").contains("canary"));
        assert_eq!(included.ok(), expected);
    }
}

#[test]
fn a_rule_that_can_match_nothing_is_refused() {
    let target = url::parse("https://api.github.com/").unwrap();
    #[rustfmt::skip]
    let rules = [
        "", "*", "*.", "https://api.github.com", "api.github.com/user", "h:x", "h?q", "h#f", "//h", "*.*.h", "[::1",
        ".h", "*..h", "*.127.0.0.1", "*.[::1]",
    ];
    for rule in rules {
        let error = include(&[rule], &target).unwrap_err();
        assert_eq!(error.code(), "invalid_input", "{rule}");
    }
    let rules = ["api.github.com", "https://u:canary@h/p?key=canary"];
    let error = include(&rules, &target).unwrap_err();
    let message =
        "allow_hosts: a rule is not usable; write each rule as `host`, `host:port` or `*.host`";
    assert_eq!(error.message(), message);
    let included = include(&[], &target).unwrap();
    assert!(!included, "an empty list allows nothing");
}
