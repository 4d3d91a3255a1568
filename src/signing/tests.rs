//! The primitives against RFC 2202 and RFC 4231, and what a signature covers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sha2::Digest as _;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::*;
use crate::error::ErrorKind;
use crate::timestamp;

mod published;

fn hex_hmac(digest: Digest, secret: &[u8], payload: &[u8]) -> String {
    hmac(digest, Encoding::Hex, secret, payload)
}

/// RFC 2202 section 3.
#[test]
fn hmac_sha1_vectors() {
    let counted: Vec<u8> = (1..=25).collect();
    let vectors: [(&[u8], &[u8], &str); 7] = [
        (
            &[0x0B; 20],
            b"Hi There",
            "b617318655057264e28bc0b6fb378c8ef146be00",
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
        (
            &[0xAA; 20],
            &[0xDD; 50],
            "125d7342b9ac11cd91a39af48aa17b4f63f175d3",
        ),
        (
            &counted,
            &[0xCD; 50],
            "4c9007f4026250c6bc8414f9bf50c86c2d7235da",
        ),
        (
            &[0x0C; 20],
            b"Test With Truncation",
            "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04",
        ),
        (
            &[0xAA; 80],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "aa4ae5e15272d00e95705637ce8a3b55ed402112",
        ),
        (
            &[0xAA; 80],
            b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
            "e8e99d0f45237d786d6bbaa7965c7808bbff1a91",
        ),
    ];
    for (secret, payload, expected) in vectors {
        assert_eq!(hex_hmac(Digest::Sha1, secret, payload), expected);
    }
}

/// RFC 4231 section 4; its fifth case has a truncated output.
#[test]
fn hmac_sha256_vectors() {
    let counted: Vec<u8> = (1..=25).collect();
    let vectors: [(&[u8], &[u8], &str); 6] = [
        (
            &[0x0B; 20],
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            &[0xAA; 20],
            &[0xDD; 50],
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        ),
        (
            &counted,
            &[0xCD; 50],
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        ),
        (
            &[0xAA; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &[0xAA; 131],
            b"This is a test using a larger than block-size key and a larger than block-size data. \
              The key needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (secret, payload, expected) in vectors {
        assert_eq!(hex_hmac(Digest::Sha256, secret, payload), expected);
    }
}

#[test]
fn hmac_in_base64() {
    let text = hmac(Digest::Sha256, Encoding::Base64, b"", b"");
    assert_eq!(text, "thNnmggU2ex3L5XXeMNfxf8Wl8STcVZTxscSFEKSxa0=");
}

/// A key of exactly one block is used as it is, one byte more is hashed first.
#[test]
fn hmac_keys_around_a_block() {
    let hashed = Sha256::digest([7; 65]);
    let of = |key: &[u8]| hex_hmac(Digest::Sha256, key, b"payload");
    assert_eq!(of(&[7; 65]), of(&hashed));
    assert_ne!(of(&[7; 64]), of(&Sha256::digest([7; 64])));
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn dates() {
    for (seconds, expected) in [
        (0, "19700101T000000Z"),
        (951_782_399, "20000228T235959Z"),
        (951_782_400, "20000229T000000Z"),
        (4_107_542_399, "21000228T235959Z"),
        (4_107_542_400, "21000301T000000Z"),
        (253_402_300_799, "99991231T235959Z"),
    ] {
        assert_eq!(date::basic(at(seconds)).unwrap(), expected);
    }
    assert_eq!(date::basic(at(253_402_300_800)), None);
    assert_eq!(date::basic(UNIX_EPOCH - Duration::from_secs(1)), None);
}

/// Every day of four centuries, read back by the other half of the calendar.
#[test]
fn dates_read_back() {
    for day in 1..=146_097 {
        let moment = at(day * 86_400 + day % 86_400);
        let text = date::basic(moment).unwrap();
        let (day, time) = text.split_at(8);
        let (year, day) = day.split_at(4);
        let (month, day) = day.split_at(2);
        let time = format!("{}:{}:{}", &time[1..3], &time[3..5], &time[5..7]);
        let text = Value::from(format!("{year}-{month}-{day}T{time}Z"));
        assert_eq!(timestamp::moment(&text), Some(moment));
    }
}

/// A request to be signed; the credentials are those of AWS's examples.
struct Case {
    service: &'static str,
    url: &'static str,
    headers: HeaderMap,
    body: &'static [u8],
    token: Option<&'static str>,
}

impl Case {
    fn new(service: &'static str, url: &'static str) -> Self {
        Self {
            service,
            url,
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
        let credentials = AwsCredentials {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: "secret".to_owned(),
            session_token: self.token.map(str::to_owned),
        };
        let scope = AwsScope {
            region: "us-east-1".to_owned(),
            service: self.service.to_owned(),
        };
        let url: Uri = self.url.parse().unwrap();
        let (get, headers) = (Method::GET, &mut self.headers);
        sign_aws(&credentials, &scope, &get, &url, headers, self.body, now)
            .map_err(|error| error.kind())?;
        Ok(self.text("authorization"))
    }

    fn signed(mut self) -> String {
        self.signed_at(at(1_440_938_160)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        self.headers[name].to_str().unwrap().to_owned()
    }
}

fn signed(service: &'static str, url: &'static str) -> String {
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
    let object = |path| signed("s3", path);
    let base = object("https://b.example.com/a%20b/%24c/(d)");
    for same in ["/a+b/$c/%28d%29", "/a%20b/%24c%2f(d)"] {
        let url = format!("https://b.example.com{same}");
        assert_eq!(object(Box::leak(url.into_boxed_str())), base, "{same}");
    }
    for other in ["/a%20b//%24c/(d)", "/a%20b/./%24c/(d)", "/a%2Bb/%24c/(d)"] {
        let url = format!("https://b.example.com{other}");
        assert_ne!(object(Box::leak(url.into_boxed_str())), base, "{other}");
    }
}

#[test]
fn hosts_are_signed_as_they_are_sent() {
    let base = signed("service", "https://example.com/");
    assert_eq!(signed("service", "https://example.com:443/"), base);
    assert_ne!(signed("service", "https://example.com:8443/"), base);
    let own = Case::new("service", "https://127.0.0.1/").header("host", "example.com");
    assert_eq!(own.signed(), base);
}

#[test]
fn headers_of_the_way_are_not_signed() {
    let url = "https://example.com/";
    let case = Case::new("service", url)
        .header("user-agent", "a")
        .header("accept", "*/*")
        .header("content-length", "0")
        .header("connection", "close")
        .header("x-amzn-trace-id", "Root=1")
        .header("x-forwarded-for", "192.0.2.1");
    assert_eq!(case.signed(), signed("service", url));
}

#[test]
fn headers_are_folded_and_joined() {
    let url = "https://example.com/";
    let spaced = Case::new("service", url)
        .header("x-b", "  1 \t  2 ")
        .header("x-a", "")
        .header("x-b", "3");
    let plain = Case::new("service", url)
        .header("x-a", "")
        .header("x-b", "1 2,3");
    assert_eq!(spaced.signed(), plain.signed());
}

#[test]
fn headers_outside_of_ascii_are_signed_as_bytes() {
    let mut case = Case::new("service", "https://example.com/");
    let value = HeaderValue::from_bytes(b"caf\xE9").unwrap();
    case.headers.insert("x-a", value);
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
        (
            "service",
            Some("UNSIGNED-PAYLOAD"),
            Some("UNSIGNED-PAYLOAD"),
        ),
    ] {
        let mut case = Case::new(service, "https://example.com/");
        if let Some(own) = own {
            case = case.header("x-amz-content-sha256", own);
        }
        case.signed_at(at(0)).unwrap();
        let found = case.headers.get("x-amz-content-sha256");
        assert_eq!(
            found.map(HeaderValue::as_bytes),
            expected.map(str::as_bytes)
        );
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
    let mut relative = Case::new("service", "/path");
    assert_eq!(relative.signed_at(at(0)), Err(ErrorKind::InvalidInput));
    let mut case = Case::new("service", "https://example.com/").header("authorization", "old");
    let early = UNIX_EPOCH - Duration::from_nanos(1);
    for now in [early, at(253_402_300_800)] {
        assert_eq!(case.signed_at(now), Err(ErrorKind::InvalidInput));
    }
    case.token = Some("to\nken");
    assert_eq!(case.signed_at(at(0)), Err(ErrorKind::InvalidCredentials));
    assert!(case.headers.is_empty(), "the old signature is gone");
    let mut nameless = Case::new("", "https://example.com/");
    assert_eq!(nameless.signed_at(at(0)), Err(ErrorKind::InvalidResponse));
}
