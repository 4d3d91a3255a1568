//! The proxies that the environment names.

use ureq::http::Uri;
use ureq::{Proxy, ProxyProtocol};

use crate::error::NexusError;
use crate::url;

/// The characters around a host that are not a part of its name: the brackets of an IPv6 address, and outer dots.
const AROUND: [char; 3] = ['[', ']', '.'];

/// A proxy, or the error of each request that would go through it.
type Usable = Result<Proxy, NexusError>;

/// The proxies for http URLs and for https URLs, and the hosts that are reached directly.
pub(super) struct Proxies {
    http: Option<Usable>,
    https: Option<Usable>,
    /// The list of hosts, in lower case.
    no_proxy: String,
}

impl Proxies {
    /// Reads the proxies from the variables whose values `variable` returns. The variable for the URL's scheme comes first
    /// and `ALL_PROXY` last, each in lower case before upper case. White space around a value is removed, and a blank
    /// variable counts as missing.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &&str| {
            let text = variable(name)?.trim().to_owned();
            (!text.is_empty()).then_some(text)
        };
        let no_proxy = ["no_proxy", "NO_PROXY"].iter().find_map(value);
        let named = |name: &&str| Some(usable(&value(name)?, name));
        // A web server passes the header `Proxy` of a request to a CGI program as HTTP_PROXY.
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let http_variable = if is_cgi { "http_proxy" } else { "HTTP_PROXY" };
        let all = ["all_proxy", "ALL_PROXY"].iter().find_map(named);
        let http = ["http_proxy", http_variable].iter().find_map(named);
        let https = ["https_proxy", "HTTPS_PROXY"].iter().find_map(named);
        let mut of_http = http.or_else(|| all.clone());
        let mut of_https = https.or(all);
        if cfg!(all(windows, feature = "win-system-proxy"))
            && of_http.is_none()
            && of_https.is_none()
        {
            let system = Proxy::try_from_env().map(Ok);
            of_http.clone_from(&system);
            of_https = system;
        }
        Self {
            http: of_http,
            https: of_https,
            no_proxy: no_proxy.unwrap_or_default().to_ascii_lowercase(),
        }
    }

    /// Returns the proxy for an agent's settings, which is the https proxy, because most requests use https.
    pub(super) fn of_agent(&self) -> Option<Proxy> {
        self.https.clone()?.ok()
    }

    /// Returns the proxy for a request to this URL.
    pub(super) fn of(&self, url: &Uri) -> Result<Option<&Proxy>, NexusError> {
        let is_https = url::is_https(url);
        let named = if is_https { &self.https } else { &self.http };
        let host = url.host().unwrap_or_default();
        let used = named.as_ref().filter(|_| !self.is_direct(host));
        used.map(|usable| usable.as_ref().map_err(NexusError::clone))
            .transpose()
    }

    /// Returns whether `NO_PROXY` lists this host or a domain above it. An entry `*.example.com` stands for the hosts below
    /// the domain, and `*` for every host.
    fn is_direct(&self, host: &str) -> bool {
        let name = host.trim_matches(AROUND);
        let mut entries = self.no_proxy.split([',', ' ', '\t', '\r', '\n']);
        entries.any(|entry| {
            let listed = entry.trim_matches(AROUND);
            let below = listed.strip_prefix("*.");
            let before = name.strip_suffix(below.unwrap_or(listed));
            let is_listed = |before: &str| match before {
                "" => below.is_none(),
                before => before.ends_with('.'),
            };
            listed == "*" || before.is_some_and(is_listed)
        })
    }
}

/// Returns the proxy with this URL. The error names the variable and does not show the URL, which may contain a password.
fn usable(text: &str, variable: &str) -> Usable {
    let proxy = parse(text).ok_or_else(|| {
        let problem =
            "is not a proxy's URL; set it to a URL such as http://proxy:8080 (with the special characters of a password \
             percent-encoded), or unset it";
        NexusError::invalid_input(variable, problem)
    })?;
    check(&proxy, variable)?;
    Ok(proxy)
}

/// Parses a proxy's URL, whose scheme is http if there is none. Refuses a port that is not a number, because ureq would use
/// the default port.
fn parse(text: &str) -> Option<Proxy> {
    let scheme = if text.contains("://") { "" } else { "http://" };
    let proxy = Proxy::new(&[scheme, text].concat()).ok()?;
    let authority = proxy.uri().authority()?;
    let server = authority.as_str().rsplit('@').next()?;
    let port = server.strip_prefix(authority.host())?;
    let is_known = matches!(port, "" | ":") || authority.port_u16().is_some();
    (is_known && !authority.host().is_empty()).then_some(proxy)
}

/// Refuses a proxy that ureq cannot use: without `socks-proxy`, it would bypass a SOCKS proxy or panic. The error names
/// `place`.
pub(super) fn check(proxy: &Proxy, place: &str) -> Result<(), NexusError> {
    let is_http = matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https);
    if is_http || cfg!(feature = "socks-proxy") {
        return Ok(());
    }
    let problem = "a SOCKS proxy needs this crate's feature `socks-proxy`; enable it, or use an http:// proxy";
    Err(NexusError::invalid_input(place, problem))
}

#[cfg(test)]
mod tests;
