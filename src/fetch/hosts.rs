//! The hosts that a fetcher's credential may go to.

use std::net::Ipv4Addr;

use ureq::http::Uri;

use crate::error::{NexusError, Result};
use crate::url;

/// The rules of [`Fetcher::allow_hosts`](crate::Fetcher::allow_hosts), read once; a rule that cannot
/// be read is the error of every check.
#[derive(Debug, Clone)]
pub(crate) struct AllowedHosts(Result<Vec<Rule>>);

impl AllowedHosts {
    pub(crate) fn new<H: AsRef<str>>(hosts: impl IntoIterator<Item = H>) -> Self {
        let rules = hosts.into_iter();
        let rules = rules.map(|host| Rule::parse(&host.as_ref().trim().to_ascii_lowercase()));
        Self(rules.collect())
    }

    /// # Errors
    ///
    /// `invalid_input` for a rule that can match no URL.
    pub(crate) fn include(&self, target: &Uri) -> Result<bool> {
        let rules = self.0.as_ref().map_err(Clone::clone)?;
        Ok(rules.iter().any(|rule| rule.matches(target)))
    }
}

/// `host`, `host:port` or `*.host`.
#[derive(Debug, Clone)]
struct Rule {
    /// In the one spelling that URLs are brought to.
    host: String,
    /// Whether names below it are meant, and not the name itself.
    below: bool,
    port: Option<u16>,
}

impl Rule {
    fn parse(text: &str) -> Result<Self> {
        Self::read(text).ok_or_else(|| {
            let problem = format!("`{text}` is not `host`, `host:port` or `*.host`");
            NexusError::invalid_input("allow_hosts", problem)
        })
    }

    /// `None` for what could not be the authority of any URL.
    fn read(text: &str) -> Option<Self> {
        let (below, authority) = match text.strip_prefix("*.") {
            Some(authority) => (true, authority),
            None => (false, text),
        };
        let plain = url::parse(&format!("http://{authority}/")).ok()?;
        let host = plain.host()?;
        let address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
        // A leading dot means all names below to some software.
        let unclear = authority.contains(['/', '?', '#']) || host.starts_with('.');
        if unclear || (below && address) {
            return None;
        }
        let (_, port) = url::split_port(authority).ok()?;
        let host = host.to_owned();
        Some(Self { host, below, port })
    }

    fn matches(&self, target: &Uri) -> bool {
        let host = target.host().unwrap_or_default();
        let named = if self.below {
            let name = host.strip_suffix(&self.host);
            name.is_some_and(|name| name.len() > 1 && name.ends_with('.'))
        } else {
            host == self.host
        };
        named && self.port.is_none_or(|port| port == url::port(target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_hosts_match_which_rules() {
        let table = [
            ("api.github.com", "https://api.github.com/user", true),
            ("api.github.com", "https://API.GitHub.com/user", true),
            ("API.github.com", "https://api.github.com:8443/", true),
            (
                "api.github.com",
                "https://api.github.com.evil.example/",
                false,
            ),
            ("api.github.com", "https://evil-api.github.com/", false),
            ("api.github.com", "https://x.api.github.com/", false),
            ("api.github.com:443", "https://api.github.com/", true),
            ("api.github.com:443", "http://api.github.com/", false),
            ("api.github.com:8443", "https://api.github.com:8443/", true),
            ("api.github.com:8443", "https://api.github.com/", false),
            ("*.github.com", "https://api.github.com/", true),
            ("*.github.com", "https://a.b.github.com/", true),
            ("*.github.com", "https://github.com/", false),
            ("*.github.com", "https://evilgithub.com/", false),
            ("*.github.com", "https://.github.com/", false),
            ("*.github.com:8443", "https://api.github.com:8443/", true),
            ("*.github.com:8443", "https://api.github.com/", false),
            ("127.0.0.1", "http://127.0.0.1:8080/", true),
            ("[::1]", "http://[::1]:8080/", true),
            ("[::1]:8080", "http://[::1]:8081/", false),
            ("[::1]", "http://127.0.0.1/", false),
            ("[0:0:0:0:0:0:0:1]", "http://[::1]:8080/", true),
            ("[2001:DB8::0:1]:443", "https://[2001:db8::1]/", true),
            (" api.github.com ", "https://api.github.com/", true),
            ("api.github.com", "https://api.github.com./", false),
            ("*.GitHub.com", "https://API.github.COM/", true),
            ("*.github.com", "https://github.com.evil.example/", false),
            ("api.github.com:80", "http://api.github.com/", true),
            ("localhost", "http://127.0.0.1/", false),
            ("github.com", "https://evil.example/github.com", false),
            ("github.com", "https://evil.example/?github.com", false),
        ];
        for (rule, target, allowed) in table {
            let included = AllowedHosts::new([rule]).include(&url::parse(target).unwrap());
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
            let included = AllowedHosts::new(rules).include(&target);
            assert!(!format!("{included:?}").contains("canary"));
            assert_eq!(included.ok(), expected);
        }
    }

    #[test]
    fn a_rule_that_can_match_nothing_is_refused() {
        let target = url::parse("https://api.github.com/").unwrap();
        let rules = [
            "",
            "*",
            "*.",
            "https://api.github.com",
            "api.github.com/user",
            "a b",
            "u@h",
            "h:x",
            "h:65536",
            "h?q",
            "h#f",
            "//h",
            "*.*.h",
            "a.*",
            "[::1",
            "::1",
            ".h",
            "*..h",
            "*.127.0.0.1",
            "*.[::1]",
        ];
        for rule in rules {
            let error = AllowedHosts::new([rule]).include(&target).unwrap_err();
            assert_eq!(error.code(), "invalid_input", "{rule}");
        }
        let none: [&str; 0] = [];
        let included = AllowedHosts::new(none).include(&target).unwrap();
        assert!(!included, "an empty list allows nothing");
    }
}
