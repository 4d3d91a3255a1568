//! The targets of redirects. Comments name the advisories of other clients that sent credentials there.

/// The origin of the first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) scheme: &'static str,
    pub(crate) host: &'static str,
    pub(crate) port: u16,
    /// The authority of another origin.
    other: &'static str,
    /// True if plain http may go to other machines.
    pub(crate) insecure: bool,
}

/// Plain http is allowed, so that only the rule for redirects from https keeps a redirect off it.
pub(crate) const HTTPS: Base = Base {
    scheme: "https",
    host: "api.example.test",
    port: 443,
    other: "other.test",
    insecure: true,
};
pub(crate) const HTTP: Base = Base {
    scheme: "http",
    port: 80,
    ..HTTPS
};
pub(crate) const LOOPBACK: Base = Base {
    scheme: "http",
    host: "127.0.0.1",
    port: 8001,
    other: "127.0.0.1:8002",
    insecure: false,
};

impl Base {
    pub(crate) fn origin(self) -> String {
        format!("{}://{}:{}", self.scheme, self.host, self.port)
    }

    /// Fills a location of the table: `{s}` is the scheme, `{h}` the host, `{p}` the port and `{o}` the
    /// other authority.
    pub(crate) fn fill(self, location: &str) -> String {
        location
            .replace("{s}", self.scheme)
            .replace("{S}", &self.scheme.to_uppercase())
            .replace("{h}", self.host)
            .replace("{H}", &self.host.to_uppercase())
            .replace("{p}", &self.port.to_string())
            .replace("{o}", self.other)
    }
}

/// The expected outcome of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The origin stays the same, and gets the credential again.
    Stays,
    /// Another origin gets a request without the credential.
    Leaves,
    /// As `Leaves`, or `insecure_url` if the new URL holds the credential.
    Copies,
    /// The fetch fails with this code, and sends no further request.
    Refused(&'static str),
}
use Outcome::{Copies, Leaves, Refused, Stays};

/// Bases, the description, the location, and the outcome.
pub(crate) type Target = (&'static [Base], &'static str, &'static str, Outcome);

const ALL: &[Base] = &[HTTPS, HTTP, LOOPBACK];
const NAMED: &[Base] = &[HTTPS, HTTP];
const NOT_HTTPS: &[Base] = &[HTTP, LOOPBACK];

/// Tried on every way, with every status.
#[rustfmt::skip]
pub(crate) const PLAIN_TARGETS: &[Target] = &[
    (ALL, "the same origin", "{s}://{h}:{p}/end", Stays),
    (ALL, "its path alone", "/end", Stays),
    // curl CVE-2022-27774 and CVE-2022-27776.
    (ALL, "another port", "{s}://{h}:8443/end", Leaves),
    // curl CVE-2018-1000007: Authorization of the caller's own. urllib3 CVE-2023-43804: Cookie. urllib3 CVE-2024-37891:
    // Proxy-Authorization. follow-redirects CVE-2026-40895: X-API-Key and its like. Deno CVE-2025-21620: Authorization.
    (NAMED, "another host", "{s}://other.test/end", Leaves),
    (NAMED, "another host, protocol-relative", "//other.test/end", Leaves),
    // Go CVE-2023-45289: what counts as below the domain.
    (NAMED, "a subdomain", "{s}://evil.api.example.test/end", Leaves),
    (NAMED, "the superdomain", "{s}://example.test/end", Leaves),
    (NAMED, "a name that ends alike", "{s}://evil-api.example.test/end", Leaves),
    (NAMED, "a name that begins alike", "{s}://api.example.test.evil.test/end", Leaves),
    // requests CVE-2018-18074, and on the same port curl CVE-2022-27774.
    (&[HTTPS], "down to http", "http://api.example.test/end", Refused("insecure_url")),
    (&[HTTPS], "down to http on its port", "http://api.example.test:443/end", Refused("insecure_url")),
    (&[HTTPS], "down to http on loopback", "http://127.0.0.1:8001/end", Refused("insecure_url")),
    (&[LOOPBACK], "its name", "http://localhost:8001/end", Leaves),
    (&[LOOPBACK], "another machine", "http://other.test/end", Refused("insecure_url")),
    // curl CVE-2022-27774 and CVE-2022-27776: another protocol.
    (NOT_HTTPS, "up to https on its port", "https://{h}:{p}/end", Leaves),
    (NOT_HTTPS, "up to https elsewhere", "https://other.test/end", Leaves),
];

/// Tried directly from the first request, with every status. `src/url/tests.rs` has the spellings of URLs and references.
/// Each kind of them has one row here.
#[rustfmt::skip]
pub(crate) const ODD_TARGETS: &[Target] = &[
    (ALL, "the host as userinfo", "{s}://{h}@{o}/end", Refused("invalid_response")),
    (ALL, "an at sign in the query", "{s}://{o}?@{h}/", Leaves),
    // Browsers treat a backslash as a slash.
    (ALL, "slash and backslash", "/\\{o}/end", Stays),
    (ALL, "a backslash before an at sign", "{s}://{h}\\@{o}/end", Refused("invalid_response")),
    (ALL, "a no-break space before", "\u{a0}//{o}/end", Leaves),
    (ALL, "slashes after a dot", "/.//{o}/end", Stays),
    (NAMED, "no scheme", "{o}/end", Stays),
    // RFC 3986 section 4.2: a colon in the first segment ends a scheme.
    (&[LOOPBACK], "no scheme, but a port", "{o}/end", Refused("invalid_response")),
    (ALL, "upper case", "{S}://{H}:{p}/end", Stays),
    (ALL, "upper case elsewhere", "{S}://{o}/end", Leaves),
    (ALL, "a port with zeros", "{s}://{h}:00{p}/end", Stays),
    (NAMED, "no port", "{s}://{h}/end", Stays),
    (&[LOOPBACK], "no port", "{s}://{h}/end", Leaves),
    (NAMED, "a dot at the end", "{s}://{h}./end", Leaves),
    (ALL, "IPv6", "{s}://[::1]:{p}/end", Leaves),
    (&[LOOPBACK], "an IPv4 address in IPv6", "{s}://[::ffff:127.0.0.1]:{p}/end", Refused("insecure_url")),
    // Go CVE-2023-45289: the zone taken for a name.
    (ALL, "an IPv6 zone that ends alike", "{s}://[::1%25.{h}]:{p}/end", Refused("invalid_response")),
    // curl CVE-2022-27774: another protocol.
    (ALL, "ftp", "ftp://{o}/end", Refused("invalid_response")),
    (ALL, "two Locations, home first", "/end\n{s}://{o}/end", Stays),
    (ALL, "two Locations, home last", "{s}://{o}/end\n/end", Leaves),
    // Parts of the request that the server copies.
    (ALL, "the query", "{s}://{o}/end?{query}", Copies),
    (ALL, "the path", "{s}://{o}{path}", Copies),
    (ALL, "the whole", "//{o}{url}", Copies),
    (ALL, "the URL in a parameter, twice", "{s}://{o}/end?next={url%%}&a=1", Copies),
    (ALL, "the URL in the path", "{s}://{o}/end/{url%}", Copies),
    (ALL, "the URL in the fragment", "{s}://{o}/end#{url}", Copies),
];
