use super::*;
use crate::cache::TokenCache;
use crate::inner::Inner;
use crate::options::NexusClientOptions;
use crate::tenant::Tenant;

const BASE: Option<&str> = Some("https://a.example/v3");

fn fetcher(base: Option<&str>, rules: Option<&[&str]>) -> Fetcher {
    let inner = Inner::new(NexusClientOptions::new("http://localhost:1")).unwrap();
    let credential = Credential::Tenant(TokenCache::new(), Arc::new(Tenant::new("ws", "p")));
    let mut fetcher = Fetcher::new(&Handle::new(inner), credential);
    if let Some(base) = base {
        fetcher = fetcher.base_url(base).unwrap();
    }
    match rules {
        Some(rules) => fetcher.allow_hosts(rules).unwrap(),
        None => fetcher,
    }
}

#[test]
fn the_host_of_the_base_and_those_that_are_allowed() {
    const RULES: Option<&[&str]> = Some(&["b.example", "d.example"]);
    let refused = Some("host_not_allowed");
    #[rustfmt::skip]
    let table = [
        (None, None, "https://b.example/", None),
        (None, None, "http://b.example/", Some("insecure_url")),
        (BASE, None, "https://a.example/other", None),
        (BASE, None, "https://a.example:444/", refused),
        (BASE, None, "http://a.example/", Some("insecure_url")),
        (BASE, None, "https://b.example/", refused),
        (Some("http://localhost/v3"), None, "http://localhost:80/", None),
        (Some("http://localhost/v3"), None, "https://localhost/", refused),
        (BASE, RULES, "https://a.example/", None),
        (BASE, RULES, "https://b.example/", None),
        (BASE, RULES, "https://c.example/", refused),
        (None, RULES, "https://a.example/", refused),
        (None, Some(&[][..]), "https://a.example/", refused),
        (BASE, Some(&[][..]), "https://a.example/", None),
    ];
    for (base, rules, target, code) in table {
        let checked = fetcher(base, rules).access.check_url(target);
        let found = checked.err().map(|error| error.code().to_owned());
        assert_eq!(found.as_deref(), code, "{base:?} {rules:?} {target}");
    }
}

#[test]
fn the_error_names_the_rule_that_would_allow_the_url() {
    #[rustfmt::skip]
    let table = [
        ("https://X.example/user?key=canary", "https://x.example", "x.example"),
        ("https://x.example:8443/", "https://x.example:8443", "x.example:8443"),
        ("http://[::1]:8080/", "http://[::1]:8080", "[::1]:8080"),
    ];
    for (target, origin, rule) in table {
        let expected = format!(
            "requests to {origin} are not allowed; to allow them, include `{rule}` in allow_hosts"
        );
        let error = fetcher(BASE, Some(&["b.example"])).access.check_url(target);
        assert_eq!(error.unwrap_err().message(), expected);
        fetcher(None, Some(&[rule]))
            .access
            .check_url(target)
            .unwrap();
    }
}

/// An error does not repeat what was passed, because that may be a URL with a secret.
#[test]
fn a_setting_that_is_not_usable_fails_at_once() {
    let bad = ["b.example", "https://u:canary@h/p?key=canary"];
    let table = [
        (fetcher(None, None).allow_hosts(bad), "allow_hosts: "),
        (fetcher(None, None).base_url("canary"), "base_url: "),
    ];
    for (set, begins) in table {
        let error = set.unwrap_err();
        assert_eq!(error.code(), "invalid_input");
        assert!(error.message().starts_with(begins), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}
