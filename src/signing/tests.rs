//! The parts of a request that a signature covers, and the dates in signatures.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::*;
use crate::error::ErrorKind;

mod published;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn dates() {
    assert_eq!(basic_date(at(951_782_400)).unwrap(), "20000229T000000Z");
    assert_eq!(basic_date(at(253_402_300_799)).unwrap(), "99991231T235959Z");
    assert_eq!(basic_date(at(253_402_300_800)), None);
    assert_eq!(basic_date(UNIX_EPOCH - Duration::from_secs(1)), None);
}

fn key(access_key: &str, service: &str, session_token: Option<&str>) -> AwsKey {
    AwsKey {
        access_key: access_key.to_owned(),
        session_token: session_token.map(str::to_owned),
        region: "us-east-1".to_owned(),
        service: service.to_owned(),
    }
}

/// A request to be signed with the access key of AWS's examples and the secret `secret`.
struct Case {
    service: &'static str,
    url: String,
    headers: HeaderMap,
    body: &'static [u8],
    token: Option<&'static str>,
}

impl Case {
    fn new(service: &'static str, url: &str) -> Self {
        Self {
            service,
            url: url.to_owned(),
            headers: HeaderMap::new(),
            body: b"",
            token: None,
        }
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        let name = HeaderName::from_static(name);
        self.headers.append(name, HeaderValue::from_static(value));
        self
    }

    fn signed_at(&mut self, now: SystemTime) -> Result<String, ErrorKind> {
        let key = key("AKIDEXAMPLE", self.service, self.token);
        let url: Uri = self.url.parse().unwrap();
        let (get, headers) = (Method::GET, &mut self.headers);
        let signed = sign_aws(&key, "secret", (&get, &url, self.body), headers, now);
        signed.map_err(|error| error.kind())?;
        Ok(self.text("authorization"))
    }

    fn signed(mut self) -> String {
        self.signed_at(at(1_440_938_160)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        self.headers[name].to_str().unwrap().to_owned()
    }
}

fn signed(service: &'static str, url: &str) -> String {
    Case::new(service, url).signed()
}

#[test]
fn spellings_of_one_query() {
    let base = "https://example.com/?a=%2B&a=b%20c&d=&%C3%A9=~";
    for same in [
        "https://example.com/?d&%c3%a9=%7E&a=b+c&a=%2b",
        "https://example.com/?&a=b%20c&d=&&a=%2B&é=~&",
    ] {
        assert_eq!(signed("service", same), signed("service", base), "{same}");
    }
    for other in [
        "https://example.com/?a=+&a=b%20c&d=&%C3%A9=~",
        "https://example.com/?a=%252B&a=b%20c&d=&%C3%A9=~",
        "https://example.com/?a=%2B&a=b%20c&%C3%A9=~",
    ] {
        assert_ne!(signed("service", other), signed("service", base), "{other}");
    }
}

#[test]
fn paths_of_s3_name_objects() {
    let object = |path| signed("s3", &format!("https://b.example.com{path}"));
    let base = object("/a%20b/%24c/(d)");
    for same in ["/a+b/$c/%28d%29", "/a%20b/%24c%2f(d)"] {
        assert_eq!(object(same), base, "{same}");
    }
    for other in ["/a%20b//%24c/(d)", "/a%20b/./%24c/(d)", "/a%2Bb/%24c/(d)"] {
        assert_ne!(object(other), base, "{other}");
    }
}

#[test]
fn paths_of_other_services_are_normalized_and_encoded_again() {
    let path = |path| signed("service", &format!("https://example.com{path}"));
    // AWS's suite has the paths that are normalized.
    assert_eq!(path("/a/x/..//b/./"), path("/a/b/"));
    for (one, other) in [
        ("/a%24b", "/a$b"),
        ("/a%2Fb", "/a/b"),
        ("/a/", "/a"),
        ("/a+b", "/a%20b"),
    ] {
        assert_ne!(path(one), path(other), "{one}");
    }
}

#[test]
fn hosts_are_signed_as_they_are_sent() {
    let base = signed("service", "https://example.com/");
    assert_ne!(signed("service", "https://example.com:8443/"), base);
    let own = Case::new("service", "https://127.0.0.1/").header("host", "example.com");
    assert_eq!(own.signed(), base);
}

#[test]
fn other_headers_are_not_signed() {
    let url = "https://example.com/";
    let case = Case::new("service", url)
        .header("range", "bytes=0-9")
        .header("x-amzn-trace-id", "Root=1");
    assert_eq!(case.signed(), signed("service", url));
}

#[test]
fn headers_are_folded_and_joined() {
    let url = "https://example.com/";
    let case = || Case::new("service", url).header("content-type", "");
    let spaced = case().header("x-amz-b", "  1 \t  2 ");
    let spaced = spaced.header("x-amz-b", "3");
    let plain = case().header("x-amz-b", "1 2,3");
    assert_eq!(spaced.signed(), plain.signed());
}

#[test]
fn headers_outside_of_ascii_are_signed_as_bytes() {
    let mut case = Case::new("service", "https://example.com/");
    let value = HeaderValue::from_bytes(b"caf\xE9").unwrap();
    case.headers.insert("content-type", value);
    assert_ne!(case.signed(), signed("service", "https://example.com/"));
}

#[test]
fn a_second_signature_replaces_the_first() {
    let later = at(1_500_000_000);
    let mut fresh = Case::new("s3", "https://example.com/").header("x-a", "1");
    let mut again = Case::new("s3", "https://example.com/").header("x-a", "1");
    (again.token, again.body) = (Some("token"), b"body");
    again.signed_at(at(1_440_938_160)).unwrap();
    (again.token, again.body) = (None, b"");
    again.signed_at(later).unwrap();
    fresh.signed_at(later).unwrap();
    assert_eq!(again.headers, fresh.headers);
    assert_eq!(again.text("x-amz-date"), "20170714T024000Z");
}

#[test]
fn the_payload_header_goes_where_it_is_asked_for() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (service, own, expected) in [
        ("service", None, None),
        ("s3", None, Some(empty)),
        ("glacier", None, Some(empty)),
        ("service", Some("stale"), Some(empty)),
        ("s3", Some("UNSIGNED-PAYLOAD"), Some(empty)),
    ] {
        let mut case = Case::new(service, "https://example.com/");
        if let Some(own) = own {
            case = case.header("x-amz-content-sha256", own);
        }
        case.signed_at(at(0)).unwrap();
        let found = case.headers.get("x-amz-content-sha256");
        let found = found.map(|value| value.to_str().unwrap());
        assert_eq!(found, expected);
    }
}

#[test]
fn secrets_do_not_show() {
    let mut case = Case::new("s3", "https://example.com/");
    case.token = Some("the-token");
    let authorization = case.signed_at(at(0)).unwrap();
    let shown = format!("{:?}", case.headers);
    assert!(!shown.contains("the-token") && !shown.contains(&authorization));
}

#[test]
fn what_cannot_be_signed() {
    let url = "https://example.com/";
    let mut with_token = Case::new("service", url);
    with_token.token = Some("to\nken");
    for mut case in [with_token, Case::new("ser\nvice", url)] {
        assert_eq!(case.signed_at(at(0)), Err(ErrorKind::InvalidCredentials));
    }
}

/// RFC 2202 section 3 and RFC 4231 section 4. The crate `hmac` tests the others.
#[test]
fn hmacs() {
    let payload = b"what do ya want for nothing?";
    let sha1 = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
    let sha256 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(hmac(true, false, b"Jefe", payload), sha1);
    assert_eq!(hmac(false, false, b"Jefe", payload), sha256);
    let base64 = hmac(false, true, b"", b"");
    assert_eq!(base64, "thNnmggU2ex3L5XXeMNfxf8Wl8STcVZTxscSFEKSxa0=");
}
