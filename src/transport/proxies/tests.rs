use super::*;

/// Reads the proxies of an environment, which is written as `name=value; name=value`.
fn read(variables: &str) -> Proxies {
    let value = |name: &str| {
        let mut pairs = variables
            .split("; ")
            .filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(variable, _)| *variable == name)?;
        Some(value.to_owned())
    };
    Proxies::read(value)
}

/// Returns the host of the proxy for this URL, `direct`, or the start of the error.
fn route(variables: &str, url: &str) -> String {
    let url = url.parse().unwrap();
    match read(variables).of(&url) {
        Ok(Some(proxy)) => proxy.host().to_owned(),
        Ok(None) => "direct".to_owned(),
        Err(error) => error.to_string().split(';').next().unwrap().to_owned(),
    }
}

/// The proxies that curl uses with the same variables, for an http and an https URL.
#[test]
fn the_variable_of_the_scheme_comes_first_and_all_proxy_last() {
    let table = [
        ("http_proxy=http://h", "h", "direct"),
        ("HTTPS_PROXY=http://s", "direct", "s"),
        ("all_proxy=http://a; https_proxy=s:80", "a", "s"),
        ("all_proxy=127.0.0.1:80/; https_proxy=s/", "127.0.0.1", "s"),
        ("HTTP_PROXY=http://H; http_proxy=http://h", "h", "direct"),
        ("HTTPS_PROXY=http://S; https_proxy=http://s", "direct", "s"),
        ("ALL_PROXY=http://A; all_proxy=http://a", "a", "a"),
        ("https_proxy=; all_proxy=http://a", "a", "a"),
        ("https_proxy= \n; all_proxy=http://a", "a", "a"),
        ("http_proxy= http://h\n; HTTPS_PROXY=s:80 ", "h", "s"),
        (
            "all_proxy=http://u:p@h:8/; https_proxy=[::1]:80",
            "h",
            "[::1]",
        ),
        // A web server passes the header `Proxy` as HTTP_PROXY.
        (
            "HTTP_PROXY=http://h; REQUEST_METHOD=GET",
            "direct",
            "direct",
        ),
    ];
    for (variables, http, https) in table {
        assert_eq!(route(variables, "http://a.test/"), http, "{variables:?}");
        assert_eq!(route(variables, "https://a.test/"), https, "{variables:?}");
    }
}

/// As `NEXUS_GATEWAY_URL` is read. curl 7.88 refuses such values.
#[test]
fn white_space_around_a_value_is_removed() {
    let table = [
        ("https_proxy= \n; all_proxy=http://a", "a", "a"),
        ("http_proxy= http://h\n; HTTPS_PROXY=s:80 ", "h", "s"),
    ];
    for (variables, http, https) in table {
        assert_eq!(route(variables, "http://a.test/"), http, "{variables:?}");
        assert_eq!(route(variables, "https://a.test/"), https, "{variables:?}");
    }
}

/// A request must not go past a company's proxy. curl 7.88 refuses these values as well.
#[test]
fn a_variable_that_cannot_be_read_is_an_error_only_for_a_request_that_needs_it() {
    let values = [
        "ftp://hunter2@p",
        "http://",
        "http://p:port",
        "p:99999",
        "http://:3128",
        "http://user:hunter2@",
        "\"http://p\"",
        "http://p q",
        "p\u{FFFD}",
        "://p",
    ];
    let refused = "invalid_input: https_proxy: is not a proxy's URL";
    for value in values {
        let variables = format!(
            "https_proxy={value}; HTTPS_PROXY=http://S; all_proxy=http://a; no_proxy=near.test"
        );
        let table = [
            ("https://a.test/", refused),
            ("https://near.test/", "direct"),
            ("http://a.test/", "a"),
        ];
        for (url, expected) in table {
            assert_eq!(route(&variables, url), expected, "{value:?}, {url}");
        }
        let proxies = read(&variables);
        assert_eq!(proxies.of_agent(), None, "{value:?}");
        let error = proxies
            .of(&Uri::from_static("https://a.test/"))
            .unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

/// Desktop proxy tools set both variables.
#[cfg(not(feature = "socks-proxy"))]
#[test]
fn a_proxy_that_cannot_be_used_is_an_error_only_for_a_request_through_it() {
    const BOTH: &str = "all_proxy=socks5://socks; https_proxy=http://s; no_proxy=near.test";
    let refused =
        "invalid_input: all_proxy: a SOCKS proxy needs this crate's feature `socks-proxy`";
    let table = [
        ("https://a.test/", "s"),
        ("http://a.test/", refused),
        ("http://near.test/", "direct"),
        ("https://near.test/", "direct"),
    ];
    for (url, expected) in table {
        assert_eq!(route(BOTH, url), expected, "{url}");
    }
    assert_eq!(read(BOTH).of_agent().unwrap().host(), "s");
    let socks = read("all_proxy=socks5://socks");
    assert_eq!(socks.of_agent(), None, "ureq would panic or bypass it");
}

/// The last column is true where curl 7.88 does otherwise.
#[test]
fn hosts_in_no_proxy_are_reached_directly() {
    let table: [(&'static str, &str, bool, bool); 20] = [
        ("*", "a.test", true, false),
        ("a.test", "A.Test", true, false),
        ("a.test", "b.a.test", true, false),
        ("a.test", "xa.test", false, false),
        ("a.test.", "a.test", true, false),
        (".a.test", "b.a.test", true, false),
        (".a.test", "a.test", true, false),
        ("*.a.test", "b.a.test", true, true),
        ("*.a.test", "a.test", false, false),
        ("*.a.test.", "b.a.test", true, true),
        ("*a.test", "xa.test", false, false),
        ("x.test y.test, a.test", "a.test", true, false),
        ("x.test,a.test\n", "a.test", true, false),
        ("x.test,,", "a.test", false, false),
        ("10.0.0.0/8", "10.0.0.1", false, true),
        ("a.test:8443", "a.test:8443", false, false),
        ("::1", "[::1]", true, false),
        ("fd00::0001", "[fd00::1]", false, false),
        ("[fd00::1]", "[fd00::1]", true, true),
        ("fd00::/8", "[fd00::1]", false, false),
    ];
    for (list, host, is_direct, _) in table {
        let proxies = read(&format!(
            "all_proxy=http://user:pass%40word@proxy:3128; NO_PROXY={list}"
        ));
        let url = url::parse(&format!("https://{host}/")).unwrap();
        let proxy = proxies.of(&url).unwrap();
        assert_eq!(proxy.is_none(), is_direct, "{list}: {host}");
        let Some(proxy) = proxy else { continue };
        let server = (proxy.host(), proxy.port());
        let user = (proxy.username(), proxy.password());
        assert_eq!(server, ("proxy", 3128));
        assert_eq!(user, (Some("user"), Some("pass@word")));
    }
}
