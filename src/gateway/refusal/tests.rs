//! Error bodies. `src/hiding/tests.rs` has the ways to write a secret, and `tests/properties/errors.rs` random bodies.

use std::time::Duration;

use ureq::http::header::RETRY_AFTER;
use ureq::http::{HeaderMap, HeaderValue, StatusCode};

use super::*;
use crate::error::meaning::{Next, REFRESH, REQUEST_CONNECTION, RESOLVE};

fn response(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Response {
    let mut response = Response::new(body.to_vec());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).unwrap();
        response.headers_mut().insert(*name, value);
    }
    response
}

fn error_of(status: u16, body: impl AsRef<[u8]>) -> NexusError {
    error_to("token", status, body)
}

fn read(response: &Response, secrets: &[&str]) -> NexusError {
    of("token", response, secrets).0
}

fn error_to(asked: &str, status: u16, body: impl AsRef<[u8]>) -> NexusError {
    let response = response(status, &[], body.as_ref());
    of(asked, &response, ["key-1"]).0
}

/// The message for a response without a usable text.
fn without(status: u16, text: &str) -> String {
    format!("the gateway responded with status {status} and {text}")
}

const NO_BODY: &str = "no body";
const LATER: &str = "; the gateway may be down for a moment, so try again later";
const BROKER: &str = "; the broker behind the gateway, or its database, may be down for a moment, so try again later; \
    if it lasts, tell the operator";
const UNUSABLE: &str = "JSON without a usable message";

#[test]
fn every_form_of_an_error_body() {
    #[rustfmt::skip]
    let table = [
        ("1", 404, r#"{"error":"provider_not_found","message":"no such","details":{"a":1}}"#, "provider_not_found", "no such"),
        ("1, trailing space", 400, "{\"error\":\"invalid.json-2_x\",\"message\":\"no\"}\n", "invalid.json-2_x", "no"),
        ("2", 409, r#"{"error":"attention_required","detail":"consent"}"#,
            "attention_required", "consent; let the user connect the provider again"),
        ("3", 400, r#"{"code":"missing_fields","message":"user_id"}"#, "missing_fields", "user_id"),
        ("4", 500, "", "http_500", &without(500, NO_BODY)),
        ("4, blank", 504, " \r\n", "http_504", &(without(504, NO_BODY) + LATER)),
        ("5", 429, "Too Many Requests\n", "http_429",
            "Too Many Requests; wait before you try again (for retry_after, if it is set), or set RetryPolicy::retry_on_429"),
        ("6", 404, "404 page not found",
            "http_404", "404 page not found; check that gateway_url is the gateway's own address, and that the gateway is version 0.3 or later"),
        ("7", 502, r#"{"error":"failed to reach broker"}"#, "http_502", &("failed to reach broker".to_owned() + LATER)),
        ("8", 502, r#"{"error":"broker_error","message":"{\"error\":\"bad_key\",\"message\":\"key refused\"}"}"#,
            "broker_error", "bad_key: key refused"),
        ("8, error", 502, r#"{"error":"broker_error","message":"{\"error\":\"bad_key\"}"}"#, "broker_error", "bad_key"),
        ("8, cut off", 502, r#"{"error":"broker_error","message":"{\"error\":"}"#, "broker_error", &(r#"{"error":"#.to_owned() + BROKER)),
        ("9, list", 500, r#"["a"]"#, "http_500", &without(500, UNUSABLE)),
        ("9, string", 500, r#""broken""#, "http_500", r#""broken""#),
        ("9, nested", 403, r#"{"error":{"code":"denied","message":"not you"}}"#, "denied", "not you"),
        ("9, nested in part", 403, r#"{"error":{"message":"not you"}}"#, "http_403", "not you"),
        ("no text", 400, "{}", "http_400", &without(400, UNUSABLE)),
        ("a byte order mark", 409, "\u{FEFF}{\"token\":\"x\"}", "http_409", &without(409, UNUSABLE)),
        ("a code alone", 403, r#"{"error":"not_found"}"#, "not_found", &without(403, UNUSABLE)),
        ("empty", 400, r#"{"error":"","code":"","message":"","detail":"d"}"#, "http_400", "d"),
        ("a number", 400, r#"{"error":400,"message":"m"}"#, "http_400", "m"),
        ("prose and a code", 400, r#"{"error":"so it is","code":"c"}"#, "c", "so it is"),
        ("prose and a message", 400, r#"{"error":"so it is","message":"m"}"#, "http_400", "m"),
        ("error before code", 400, r#"{"error":"a","code":"b","message":"m","detail":"d"}"#, "a", "m"),
        ("non-ASCII code", 400, r#"{"error":"é","message":"m"}"#, "http_400", "m"),
    ];
    for (case, status, body, code, message) in table {
        let error = error_of(status, body);
        let found = (error.code(), error.message(), error.status_code());
        assert_eq!(found, (code, message, Some(status)), "{case}: {body}");
        assert_eq!(error.kind(), ErrorKind::Gateway, "{case}");
    }
    assert_eq!(error_of(500, b"caf\xe9").message(), "caf\u{fffd}");
}

#[test]
fn what_may_succeed_later() {
    let broker =
        |status: &str| format!(r#"{{"error":"broker_error","message":"m","status":{status}}}"#);
    for status in 400..600 {
        let again = matches!(status, 408 | 425 | 429 | 502..=504 | 520..=527 | 530);
        assert_eq!(error_of(status, "x").is_retryable(), again, "{status}");
        let flags = |body: &str| {
            let error = error_to(RESOLVE, status, body);
            (
                error.is_retryable(),
                error.is_final(),
                error.needs_reconnect(),
            )
        };
        // A proxy may have responded, so few statuses say that the connection has ended.
        let bare = (again, matches!(status, 401 | 410), status == 410);
        assert_eq!(flags(""), bare, "{status}");
        // The words of a firewall or a framework say nothing about the connection.
        for foreign in [
            r#"{"error":"Forbidden"}"#,
            "<html>no</html>",
            "\r\n <!DOCTYPE html>",
            "\u{FEFF}<html>no</html>",
        ] {
            assert_eq!(flags(foreign), (again, false, false), "{status}: {foreign}");
        }
        let own = flags(r#"{"error":"provider_mismatch"}"#);
        let is_final = !again && status < 500;
        assert_eq!(own, (again, is_final, false), "{status}");
        let relayed = error_of(status, broker("404")).is_retryable();
        assert_eq!(relayed, again && status < 500, "{status}");
    }
    for status in ["400", "499"] {
        assert!(!error_of(502, broker(status)).is_retryable(), "{status}");
    }
    for status in ["429", "399", "500", "-404", "404.5", "\"404\"", "null"] {
        assert!(error_of(502, broker(status)).is_retryable(), "{status}");
    }
}

/// RFC 9110 section 8.3.1: the case of a media type does not matter.
#[test]
fn a_web_page_is_no_word_of_the_gateway() {
    for page in [
        "text/html",
        "Text/HTML; charset=utf-8",
        "application/xhtml+xml",
    ] {
        let answer = response(410, &[("content-type", page)], b"gone");
        let error = read(&answer, &[""]);
        assert!(!error.is_final(), "{page}");
        assert_eq!(error.message(), format!("gone; {PAGE}"), "{page}");
    }
    let titled = "<html><head><title> Denied to sk-<1>\n</title></head><p>Ray ID 1</html>";
    let answer = response(403, &[], titled.as_bytes());
    let hidden = format!("Denied to [redacted]; {PAGE}");
    assert_eq!(read(&answer, &["sk-<1>"]).message(), hidden);
    let json = response(
        500,
        &[("content-type", "text/html")],
        b"{\"access_token\":\"x\"}",
    );
    assert!(!read(&json, &[""]).message().contains("access_token"));
    let answer = response(410, &[("content-type", "text/plain")], b"gone");
    assert!(read(&answer, &[""]).is_final());
}

/// `src/time/date/tests.rs` has the forms of `Retry-After`.
#[test]
fn how_long_to_wait() {
    let now = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let minute = Some(Duration::from_secs(60));
    for (value, wait) in [("Sun, 06 Nov 1994 08:50:37 GMT", minute), ("soon", None)] {
        let response = response(429, &[("retry-after", value), now], b"busy");
        assert_eq!(read(&response, &[""]).retry_after(), wait, "{value:?}");
    }
    let undated = response(503, &[("retry-after", now.1)], b"");
    let waits = date::retry_after_header(undated.headers());
    assert_eq!(waits, Some(Duration::ZERO), "long ago by our own clock");
    let mut odd = HeaderMap::new();
    odd.insert(RETRY_AFTER, HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(date::retry_after_header(&odd), None);
}

#[test]
fn the_api_key_does_not_come_back() {
    let bodies = [
        r#"{"error":"invalid_key","message":"key-1 is unknown"}"#,
        r#"{"error":"key-1","message":"unknown"}"#,
        r#"{"error":{"code":"x.key-1.y"}}"#,
        r#"{"error":"b","message":"{\"message\":\"key-1\"}"}"#,
        "[\"key-1\"]",
        r#"{"error":"bad key-1 key-1"}"#,
        &format!("{}key-1", "x".repeat(MAX_TEXT - 2)),
    ];
    for body in bodies {
        let shown = format!("{:?}", error_of(401, body));
        assert!(!shown.contains("key-1"), "{body}: {shown}");
        assert!(!shown.contains("xke"), "cut off within the key: {shown}");
    }
    let error = error_of(401, "bad key-1");
    let expected = "bad [redacted]; check that api_key is correct";
    assert_eq!(error.message(), expected);
    let without = read(&response(400, &[], b"bad"), &[""]);
    assert_eq!(without.message(), "bad", "no key, nothing to hide");
}

#[test]
fn a_credential_in_a_body_without_a_message_does_not_show() {
    let list = r#"[{"apiKey":"canary"}]"#;
    for body in [r#"{"error":"other","refresh_token":"canary"}"#, list] {
        assert_eq!(error_of(409, body).message(), without(409, UNUSABLE));
    }
}

/// A message may contain the text of a short secret by chance.
#[test]
fn a_short_secret_is_shown() {
    let refused = response(400, &[], b"abc of abcd for k-1");
    let error = read(&refused, &["abc", "abcd", "k-1"]);
    assert_eq!(error.message(), "abc of [redacted] for k-1");
}

#[test]
fn a_blank_text_says_nothing() {
    let none = &*without(409, NO_BODY);
    #[rustfmt::skip]
    let table = [
        (" \t\r\n", none),
        ("\0\0\u{1B}\n", none),
        (r#"{"message":" ","detail":"\n","error":"conflict of two"}"#, "conflict of two"),
        (r#"{"message":"\u0000","detail":"consent"}"#, "consent"),
        (r#"{"error":{"message":" "},"detail":"consent"}"#, "consent"),
        (r#"{"message":"{\"message\":\" \",\"detail\":\"inner\"}"}"#, "inner"),
        (r#"{"message":" "}"#, &without(409, UNUSABLE)),
    ];
    for (body, message) in table {
        assert_eq!(error_of(409, body).message(), message, "{body:?}");
    }
}

#[test]
fn long_bodies_are_cut() {
    for piece in ["x", "\u{1F600}"] {
        let expected = format!("{}...", piece.repeat(MAX_TEXT));
        let body = piece.repeat(16_000);
        assert_eq!(error_of(500, &body).message(), expected);
        let json = format!(r#"{{"error":"{}","message":"{body}"}}"#, "c".repeat(101));
        let error = error_of(500, &json);
        assert_eq!(error.message(), expected);
        assert_eq!(error.code(), "http_500", "no code is that long");
    }
    let longest = "x".repeat(MAX_TEXT);
    assert_eq!(error_of(500, &longest).message(), longest);
    let deep = "[".repeat(60_000);
    assert_eq!(error_of(500, deep).code(), "http_500");
}

#[test]
fn redirects_of_the_gateway() {
    let json = r#"{"message": "https://a/?token=canary"}"#;
    for (status, body) in [(302, "Found: https://a/?token=canary"), (307, json)] {
        let error = error_of(status, body);
        let expected = format!(
            "the gateway responded with status {status} and a redirect; redirects are not followed; set gateway_url to the base URL that this redirect leads to"
        );
        assert_eq!(error.message(), expected);
        assert_eq!(error.code(), format!("http_{status}"));
        assert!(!error.is_retryable() && !error.ends_wait(true));
    }
}

/// The columns are the operation, the status and body of the response, what the caller can do next, and a part of the
/// message. A body that is one word stands for an error with that code.
#[test]
fn the_meaning_of_each_error() {
    use Next::{Final, Reconnect, Retry, Unclear};
    const CASE: &str = "check the case of its name";
    const ID: &str = "check the connection's id";
    const CONSENT: &str = "the user has not consented yet";
    const AGAIN: &str = "connect the provider again";
    const KEY: &str = "check that api_key is correct";
    const KEYS: &str = "have different keys";
    const SAID: &str = "It is so";
    let broker = |status| format!(r#"{{"error":"broker_error","message":"m","status":{status}}}"#);
    let [refused, forbidden, limited] = [400, 403, 429].map(broker);
    let wrapped = r#"{"error":"broker_error","message":"{\"error\":\"credentials_rejected\",\"message\":\"401\"}"}"#;
    let limit = r#"{"error":"broker_unavailable","message":"m","status":429}"#;
    let grpc = r#"{"code":5,"message":"Not Found"}"#;
    #[rustfmt::skip]
    let table: [(&str, u16, &str, Next, &str); 36] = [
        (RESOLVE, 404, "connection_not_found", Reconnect, CASE),
        ("token", 404, "connection_not_found", Final, ID),
        ("token", 400, "connection_not_active", Final, CONSENT),
        ("token", 409, "attention_required", Reconnect, AGAIN),
        ("token", 410, "", Reconnect, AGAIN),
        ("token", 404, "token_not_found", Reconnect, AGAIN),
        (REFRESH, 400, "no_refresh_token", Reconnect, AGAIN),
        (REFRESH, 400, "static_token", Final, SAID),
        (RESOLVE, 409, "token_expired", Retry, "try again later"),
        (REFRESH, 502, "upstream_error", Unclear, "call get_token_by"),
        (REQUEST_CONNECTION, 502, "upstream_error", Retry, SAID),
        ("token", 403, "invalid_api_key", Final, KEYS),
        (RESOLVE, 401, "unauthorized", Final, KEY),
        (RESOLVE, 401, "", Final, KEY),
        ("token", 401, "invalid_user_context_token", Final, SAID),
        (RESOLVE, 502, "broker_unavailable", Retry, SAID),
        (RESOLVE, 502, limit, Retry, "m"),
        (RESOLVE, 429, &limited, Retry, "m"),
        (RESOLVE, 502, &limited, Retry, "m"),
        (REQUEST_CONNECTION, 502, &refused, Unclear, "ask its operator to allow it"),
        (REQUEST_CONNECTION, 502, &forbidden, Unclear, KEYS),
        ("token", 502, &forbidden, Unclear, KEYS),
        ("token", 502, &refused, Unclear, "m"),
        ("token", 502, wrapped, Unclear, "credentials_rejected: 401"),
        // The words of a proxy, an ingress or another server.
        (RESOLVE, 404, "", Unclear, "version 0.3 or later"),
        (RESOLVE, 404, grpc, Unclear, "Not Found; check that gateway_url"),
        (RESOLVE, 403, "<h1>Forbidden</h1>", Unclear, "Forbidden"),
        (RESOLVE, 401, "<h1>Sign in</h1>", Unclear, "Sign in"),
        (RESOLVE, 410, "<h1>Gone</h1>", Unclear, "Gone"),
        // A code that no table has is not the gateway's.
        (RESOLVE, 404, "not_found", Unclear, "version 0.3 or later"),
        (RESOLVE, 403, "forbidden", Unclear, SAID),
        (RESOLVE, 401, "Unauthorized", Unclear, SAID),
        (RESOLVE, 410, "gone", Unclear, SAID),
        (RESOLVE, 500, "some_code", Unclear, SAID),
        // Some servers repeat the status in the body.
        (RESOLVE, 401, r#"{"status":401}"#, Final, KEY),
        (RESOLVE, 403, r#"{"status":403}"#, Unclear, "without a usable"),
    ];
    for (asked, status, body, next, part) in table {
        let is_code = is_code(body);
        let coded = format!(r#"{{"error":"{body}","message":"It is so."}}"#);
        let body = if is_code { &coded } else { body };
        let error = error_to(asked, status, body);
        let case = format!("{asked:?} {status} {body}: {error}");
        assert_eq!(error.needs_reconnect(), next == Reconnect, "{case}");
        assert_eq!(error.is_retryable(), next == Retry, "{case}");
        let is_final = matches!(next, Reconnect | Final);
        assert_eq!(error.is_final(), is_final, "{case}");
        assert!(error.message().contains(part), "{case}");
        assert!(!error.message().contains(".;"), "{case}");
        let given_up = NexusError::exhausted(error, 3);
        let flags = (given_up.needs_reconnect(), given_up.is_retryable());
        assert_eq!(flags, (next == Reconnect, next == Retry), "{case}");
    }
}

/// A gateway's 429 may be its broker's, in a 502. The policy decides about both alike.
#[test]
fn a_brokers_429_is_retried_as_a_429() {
    let limit = r#"{"error":"broker_error","message":"m","status":429}"#;
    for (status, body, retried_as) in [(502, limit, 429), (429, limit, 429), (502, "", 502)] {
        let response = response(status, &[], body.as_bytes());
        let (_, found) = of(RESOLVE, &response, [""]);
        assert_eq!(found, retried_as, "{status} {body}");
    }
}

#[test]
fn a_known_code_is_never_hidden() {
    let down = "broker_unavailable";
    for (code, secret, shown) in [
        ("token_expired", "token", "token_expired"),
        (down, down, down),
        ("own_code_of_key", "own_code", "http_409"),
    ] {
        let body = format!(r#"{{"error":"{code}","message":"m"}}"#);
        let error = read(&response(409, &[], body.as_bytes()), &[secret]);
        assert_eq!(error.code(), shown);
    }
}

/// The documentation of `ErrorKind` has every code of the table of meanings, and sends the user to the provider again for
/// the same codes.
#[test]
fn the_codes_of_the_table_are_documented() {
    let documented = include_str!("../../error/kind.rs").lines();
    let mut codes = Vec::new();
    for row in documented.filter_map(|line| line.strip_prefix("/// | `")) {
        let (cell, rest) = row.split_once(" | ").unwrap();
        for code in cell.split('`').step_by(2) {
            let is_by_id = cell.contains("(by id)");
            let asked = [RESOLVE, "token"][usize::from(is_by_id)];
            let body = format!(r#"{{"error":"{code}","message":"m"}}"#);
            let error = match code.strip_prefix("http_") {
                Some(status) => error_to(asked, status.parse().unwrap(), ""),
                None => error_to(asked, 400, body),
            };
            let reconnects = rest.contains("| let the user connect");
            assert_eq!(error.needs_reconnect(), reconnects, "{code}");
            let is_ours = code.starts_with("http_") || code == "sessions_not_supported";
            assert!(
                is_ours || meaning::is_known(code),
                "{code}: not the gateway's word"
            );
            codes.push(code);
        }
    }
    codes.extend(["timeout", "request_failed", "http_"]);
    let table = include_str!("../../error/meaning.rs").lines();
    let rows: Vec<_> = table.filter_map(|line| line.split_once("=> (")).collect();
    assert!(rows.len() > 15, "the table was found");
    for (row, _) in rows {
        for code in row.split('"').skip(1).step_by(2) {
            assert!(codes.contains(&code), "{code}");
        }
    }
}
