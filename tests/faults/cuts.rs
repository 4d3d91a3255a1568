//! Responses that are cut at every byte.

use std::ops::RangeInclusive;

use crate::calls::{Call, FaultyCall, FaultyServer, Wrong, all, document};
use crate::support::{End, LONG, bytes};

pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write as _;

    let level = flate2::Compression::default();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A whole response, the length of its header, and the number of bytes that may be missing at its end.
struct Whole {
    name: &'static str,
    bytes: Vec<u8>,
    head: usize,
    spare: usize,
}

impl Whole {
    /// The lengths to cut it to. Compressed and plain bodies have similar headers, so one of them is enough.
    fn cuts(&self) -> RangeInclusive<usize> {
        let start = if self.name.starts_with("gzip") { self.head } else { 0 };
        start..=self.bytes.len()
    }
}

fn by_length(name: &'static str, headers: &str, body: &[u8]) -> Whole {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    Whole { name, bytes: [head.as_bytes(), body].concat(), head: head.len(), spare: 0 }
}

fn in_chunks(name: &'static str, headers: &str, body: &[u8]) -> Whole {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Transfer-Encoding: chunked\r\n\r\n");
    let head_length = head.len();
    let mut bytes = head.into_bytes();
    for chunk in body.chunks(40) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    // The last chunk ends the body. The empty line after it ends the trailers.
    Whole { name, bytes, head: head_length, spare: 2 }
}

fn wholes() -> Vec<Whole> {
    let body = document(1).into_bytes();
    vec![
        by_length("length", "", &body),
        in_chunks("chunks", "", &body),
        by_length("gzip and length", "Content-Encoding: gzip\r\n", &gzip(&body)),
        in_chunks("gzip and chunks", "Content-Encoding: gzip\r\n", &gzip(&body)),
    ]
}

#[test]
#[ignore = "`watched` runs it"]
fn an_answer_that_is_cut_at_any_byte_is_an_error() {
    let wholes = wholes();
    let mut cuts = Vec::new();
    for (number, whole) in wholes.iter().enumerate() {
        for length in whole.cuts() {
            cuts.push((number, length, Call::Token, End::Close));
            cuts.push((number, length, Call::Fetch, End::Reset));
            // The other ends differ little, so every third byte is enough.
            if length % 3 == 0 {
                cuts.push((number, length, Call::Connect, End::Reset));
                cuts.push((number, length, Call::Fetch, End::Close));
            }
        }
    }
    let answers: Vec<_> = cuts
        .iter()
        .map(|&(number, length, _, end)| bytes(&wholes[number].bytes[..length]).then(end))
        .collect();
    let server = FaultyServer::start(move |case| answers[case].clone());
    let wrong = Wrong::new();
    let cases: Vec<usize> = (0..cuts.len()).collect();
    all(&cases, 16, |&case| {
        let (number, length, call, end) = cuts[case];
        let whole = &wholes[number];
        let outcome = FaultyCall::new(&server, call, case, LONG).make();
        let expected = match whole.bytes.len() - length {
            0 => "ok",
            // Half of the last empty line: both outcomes are right.
            1 if whole.spare == 2 => return,
            // After a reset, the end of the body may be lost.
            missing if missing == whole.spare && matches!(end, End::Reset) => return,
            missing if missing == whole.spare => "ok",
            _ => "request_failed",
        };
        let case = format!("{}, {length} bytes, {end:?}, {call:?}", whole.name);
        wrong.compare(case, &outcome, expected);
    });
}
