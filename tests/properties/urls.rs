//! URLs of callers, and the hosts that a credential may go to.

use super::{CANARY, Origin, assert_line, split};
use crate::fetch::scope::{self, Rule};
use crate::url;

/// A URL, a line, and rules of `allow_hosts`, a line each. `theirs` is another library's reading.
pub fn url(data: &[u8], theirs: Origin) {
    let (text, rules) = split(data);
    let encoded = url::encode(&text);
    assert_eq!(url::decode(&encoded, false), text.as_bytes());
    assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
    let parsed = match url::parse(&text) {
        Ok(parsed) => parsed,
        Err(problem) => return assert_line(&problem),
    };
    let normal = parsed.to_string();
    assert_eq!(url::parse(&normal).as_ref(), Ok(&parsed), "{text:?}");
    assert!(!url::origin(&parsed).contains(['@', '\\']), "{text:?}");
    assert!(normal.bytes().all(|byte| byte.is_ascii_graphic()));
    let origin = theirs(&text, "");
    assert_eq!(origin, theirs(&normal, ""), "{text:?}");
    assert_eq!(origin, theirs(&url::origin(&parsed), ""), "{text:?}");
    let ours = url::origin(&parsed);
    // An IPv4 address within an IPv6 one is written in two ways.
    let same = origin.as_ref().is_none_or(|theirs| *theirs == ours);
    assert!(same || ours.contains("::ffff:"), "{origin:?} and {ours}");
    let rules = String::from_utf8_lossy(rules);
    let rules: Vec<&str> = rules.split('\n').take(8).collect();
    let parsed_rules: Result<Vec<Rule>, _> = rules.iter().map(|rule| Rule::parse(rule)).collect();
    match parsed_rules {
        Ok(parsed_rules) if parsed_rules.iter().any(|rule| rule.matches(&parsed)) => {
            is_meant(&rules, origin.as_ref().unwrap_or(&ours));
        }
        Ok(_) => {
            let error = scope::not_allowed(&parsed);
            assert_line(error.message());
            // The host is all of a URL that it shows.
            let host = parsed.host().unwrap_or_default();
            assert!(host.contains(CANARY) || !error.message().contains(CANARY));
        }
        Err(error) => assert_line(error.message()),
    }
}

/// Some rule has the host of the origin at its end, or both are one address.
fn is_meant(rules: &[&str], origin: &str) {
    let (_, authority) = origin.split_once("://").unwrap_or_default();
    let host = |authority: &str| match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host.to_owned(),
        _ => authority.to_owned(),
    };
    let meant = rules.iter().any(|rule| {
        let rule = rule.trim().to_ascii_lowercase();
        let wanted = host(rule.strip_prefix("*.").unwrap_or(&rule));
        let found = host(authority);
        let below = found
            .strip_suffix(&wanted)
            .and_then(|name| name.strip_suffix('.'));
        let below = below.is_some_and(|name| !name.is_empty());
        if rule.starts_with("*.") {
            below
        } else {
            found == wanted || found.starts_with('[')
        }
    });
    assert!(meant, "{rules:?} and {origin}");
}
