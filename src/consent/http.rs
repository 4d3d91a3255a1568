//! One request and one response of HTTP/1.1 (RFC 9112), each bounded in size and time.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

const MAX_HEAD: usize = 16 * 1024;
/// A credential can be a certificate with its key; more than this is none.
const MAX_BODY: usize = 64 * 1024;
/// From the connection to the last byte of the request.
pub(super) const MAX_REQUEST_TIME: Duration = Duration::from_secs(10);
const MAX_RESPONSE_TIME: Duration = Duration::from_secs(2);
/// How much of what a refused client still sends is read, so that it gets to see the response.
const MAX_DRAINED: usize = 1024 * 1024;

/// A request as it arrived. No `Debug`: path and body are secrets.
#[derive(Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// The value of a header that is there once.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.headers
            .iter()
            .any(|(own, _)| own.eq_ignore_ascii_case(name))
    }
}

/// Why there is no request.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    /// The client has gone, or was too slow.
    Closed,
    /// It sent something else than a request that is served here.
    Status(u16),
}

impl From<io::Error> for Refusal {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// Reads one request; what comes after it is dropped.
pub(super) fn read(stream: &TcpStream, limit: Duration) -> Result<Request, Refusal> {
    let start = Instant::now();
    let end = start.checked_add(limit).unwrap_or(start);
    let mut input = Vec::new();
    let head = loop {
        let end_of_head = input.windows(4).position(|four| four == b"\r\n\r\n");
        if end_of_head.unwrap_or(input.len()) > MAX_HEAD {
            return Err(Refusal::Status(431));
        }
        if let Some(at) = end_of_head {
            break at;
        }
        fill(stream, &mut input, end)?;
    };
    let body = input.split_off(head.saturating_add(4));
    input.truncate(head);
    let mut request = parse(&input).ok_or(Refusal::Status(400))?;
    let length = body_length(&request)?;
    request.body = body;
    while request.body.len() < length {
        fill(stream, &mut request.body, end)?;
    }
    request.body.truncate(length);
    Ok(request)
}

fn fill(mut stream: &TcpStream, input: &mut Vec<u8>, end: Instant) -> Result<(), Refusal> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Refusal::Closed);
    }
    stream.set_read_timeout(Some(left))?;
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer)?;
    if count == 0 {
        return Err(Refusal::Closed);
    }
    input.extend(buffer.iter().take(count));
    Ok(())
}

/// Bytes beyond ASCII may stand in a header, whatever they say (RFC 9110 section 5.5): a browser sends
/// all cookies of this address, not only ours.
fn parse(head: &[u8]) -> Option<Request> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let line = lines
        .next()
        .filter(|line| !line.contains(char::REPLACEMENT_CHARACTER));
    let mut line = line?.split(' ');
    let (method, target) = (line.next()?, line.next()?);
    let version = line.next()?;
    let known = matches!(version, "HTTP/1.1" | "HTTP/1.0") && line.next().is_none();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines.map(header).collect::<Option<_>>()?;
    (known && !method.is_empty() && path.starts_with('/')).then(|| Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Vec::new(),
    })
}

/// A name without any white space, so that no line continues another.
fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    let clean = !value.contains(|c: char| c.is_ascii_control() && c != '\t');
    (plain && clean).then(|| (name.to_owned(), value.trim().to_owned()))
}

fn body_length(request: &Request) -> Result<usize, Refusal> {
    if request.has("transfer-encoding") {
        return Err(Refusal::Status(411));
    }
    if !request.has("content-length") {
        return Ok(0);
    }
    let length = request.header("content-length");
    let length = length.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = length
        .and_then(|text| text.parse().ok())
        .ok_or(Refusal::Status(400))?;
    if length > MAX_BODY {
        return Err(Refusal::Status(413));
    }
    Ok(length)
}

/// What a page is sent with.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) html: String,
    /// The nonce of its style (Content Security Policy Level 3, section 2.3.1).
    pub(super) nonce: String,
}

impl Response {
    fn reason(&self) -> &'static str {
        match self.status {
            200 => "OK",
            403 => "Forbidden",
            404 => "Not Found",
            411 => "Length Required",
            413 => "Content Too Large",
            415 => "Unsupported Media Type",
            422 => "Unprocessable Content",
            431 => "Request Header Fields Too Large",
            _ => "Bad Request",
        }
    }

    /// `Referrer-Policy` is not `no-referrer`, with which browsers send a form with `Origin: null`
    /// (Fetch standard, "append a request `Origin` header"); other origins see nothing either way.
    fn head(&self) -> String {
        format!(
            "HTTP/1.1 {} {}\r\n\
             Content-Type: text/html; charset=utf-8\r\n\
             Content-Length: {}\r\n\
             Cache-Control: no-store\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'nonce-{}'; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'\r\n\
             Cross-Origin-Opener-Policy: same-origin\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\n\
             Referrer-Policy: same-origin\r\n\
             X-Content-Type-Options: nosniff\r\n\
             X-Frame-Options: DENY\r\n\
             Connection: close\r\n\r\n",
            self.status,
            self.reason(),
            self.html.len(),
            self.nonce
        )
    }

    pub(super) fn write(&self, mut stream: &TcpStream, with_body: bool) -> io::Result<()> {
        let mut bytes = self.head().into_bytes();
        if with_body {
            bytes.extend(self.html.bytes());
        }
        stream.set_write_timeout(Some(MAX_RESPONSE_TIME))?;
        stream.write_all(&bytes)?;
        stream.shutdown(Shutdown::Write)
    }
}

/// Reads what the client still sends: to close a socket with something unread in it resets the
/// connection, and the response may be lost.
pub(super) fn drain(mut stream: &TcpStream) {
    let start = Instant::now();
    let mut left = MAX_DRAINED;
    let mut buffer = [0; 4096];
    while start.elapsed() < MAX_RESPONSE_TIME && left > 0 {
        let _ = stream.set_read_timeout(Some(MAX_RESPONSE_TIME));
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => left = left.saturating_sub(count),
            _ => return,
        }
    }
}

/// The fields of `application/x-www-form-urlencoded` (URL standard, section 5.1); `None` if one is
/// not UTF-8.
pub(super) fn fields(text: &str) -> Option<Vec<(String, String)>> {
    let plain = |text: &str| String::from_utf8(crate::url::decode(text, true)).ok();
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .map(|(name, value)| Some((plain(name)?, plain(value)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_slowly_has_no_more_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut slow = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let sender = std::thread::spawn(move || {
            while slow.write_all(b"GET / HTTP/1.1\r\n").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        // It never ends its head: without a limit of all its reads together this would not end
        // before the head is too large.
        let found = read(&stream, Duration::from_millis(100));
        assert_eq!(found.err(), Some(Refusal::Closed));
        drop(stream);
        sender.join().unwrap();
    }

    #[test]
    fn what_is_a_request() {
        let table = [
            ("GET / HTTP/1.1", Some(("GET", "/", ""))),
            (
                "GET /a?b=c?d HTTP/1.0\r\nHost: x",
                Some(("GET", "/a", "b=c?d")),
            ),
            (
                "POST /a HTTP/1.1\r\nA:b\r\nC: \t d ",
                Some(("POST", "/a", "")),
            ),
            ("", None),
            ("GET / HTTP/2", None),
            ("GET / HTTP/1.1 x", None),
            ("GET  / HTTP/1.1", None),
            (" / HTTP/1.1", None),
            ("GET http://127.0.0.1/ HTTP/1.1", None),
            ("GET / HTTP/1.1\r\nno colon", None),
            ("GET / HTTP/1.1\r\nHost : x", None),
            ("GET / HTTP/1.1\r\nA: b\r\n c", None),
            ("GET / HTTP/1.1\r\n: b", None),
            ("GET / HTTP/1.1\r\nA: b\nHost: c", None),
        ];
        for (head, expected) in table {
            let found = parse(head.as_bytes());
            let found = found
                .as_ref()
                .map(|found| (&*found.method, &*found.path, &*found.query));
            assert_eq!(found, expected, "{head:?}");
        }
        assert!(parse(b"GET /\xFF HTTP/1.1").is_none());
        for value in [
            &b"caf\xE9"[..],
            b"\x85",
            b"\xC2\x85",
            "caf\u{e9}".as_bytes(),
        ] {
            let head = [&b"GET / HTTP/1.1\r\nCookie: a="[..], value, b"\r\nHost: x"].concat();
            let found = parse(&head).unwrap();
            assert!(found.has("cookie") && found.header("host") == Some("x"));
        }
    }

    #[test]
    fn how_long_a_body_is() {
        let table = [
            ("", Ok(0)),
            ("Content-Length: 12", Ok(12)),
            ("Content-Length: 65536", Ok(MAX_BODY)),
            ("Content-Length: 65537", Err(413)),
            ("Content-Length: 99999999999999999999999", Err(400)),
            ("Content-Length: +1", Err(400)),
            ("Content-Length: 1\r\nContent-Length: 1", Err(400)),
            ("Content-Length: 1\r\nTransfer-Encoding: chunked", Err(411)),
        ];
        for (headers, expected) in table {
            let head = format!("POST / HTTP/1.1\r\n{headers}");
            let request = parse(head.trim_end().as_bytes()).unwrap();
            let expected = expected.map_err(Refusal::Status);
            assert_eq!(body_length(&request), expected, "{headers}");
        }
    }

    #[test]
    fn the_fields_of_a_form() {
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        let table: [(&str, Option<Pairs<'_>>); 5] = [
            ("", Some(&[])),
            ("a=b&c", Some(&[("a", "b"), ("c", "")])),
            ("a+b=%3D+%26&&=x", Some(&[("a b", "= &"), ("", "x")])),
            ("a=%C3%A9%0D%0A", Some(&[("a", "é\r\n")])),
            ("a=%FF", None),
        ];
        for (text, expected) in table {
            let found = fields(text);
            let found = found.as_ref().map(|found| {
                let pairs = found.iter().map(|(name, value)| (&**name, &**value));
                pairs.collect::<Vec<_>>()
            });
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
