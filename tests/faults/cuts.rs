//! Responses that are cut at every byte.

use std::ops::RangeInclusive;

use crate::calls::{Call, FaultyCall, FaultyServer, Mismatches, all, document};
use crate::support::{End, LONG, bytes, gzip, in_chunks, with_length};

/// A whole response.
struct Whole {
    name: &'static str,
    bytes: Vec<u8>,
    /// The number of bytes at its end without which the body is whole.
    after_body: usize,
}

impl Whole {
    /// The lengths to cut it to. Compressed and plain bodies have similar headers, so one of them is enough.
    fn cuts(&self) -> RangeInclusive<usize> {
        let end = self
            .bytes
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n")
            .unwrap();
        let start = if self.name.starts_with("gzip") {
            end + 4
        } else {
            0
        };
        start..=self.bytes.len()
    }
}

fn wholes() -> [Whole; 4] {
    const GZIP: &str = "Content-Encoding: gzip\r\n";
    let plain = document(1).into_bytes();
    let packed = gzip(&plain);
    // The last chunk ends the body. The empty line after it ends the trailers.
    [
        Whole {
            name: "length",
            bytes: with_length("", &plain),
            after_body: 0,
        },
        Whole {
            name: "chunks",
            bytes: in_chunks("", &plain, 40),
            after_body: 2,
        },
        Whole {
            name: "gzip and length",
            bytes: with_length(GZIP, &packed),
            after_body: 0,
        },
        Whole {
            name: "gzip and chunks",
            bytes: in_chunks(GZIP, &packed, 40),
            after_body: 2,
        },
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
    let mismatches = Mismatches::new();
    let cases: Vec<usize> = (0..cuts.len()).collect();
    all(&cases, 16, |&case| {
        let (number, length, call, end) = cuts[case];
        let whole = &wholes[number];
        let outcome = FaultyCall::new(&server, call, case, LONG).make();
        let expected = match whole.bytes.len() - length {
            0 => "ok",
            // Half of the last empty line: both outcomes are right.
            1 if whole.after_body == 2 => return,
            // After a reset, the end of the body may be lost.
            missing if missing == whole.after_body && matches!(end, End::Reset) => return,
            missing if missing == whole.after_body => "ok",
            _ => "request_failed",
        };
        let case = format!("{}, {length} bytes, {end:?}, {call:?}", whole.name);
        mismatches.compare(case, &outcome, expected);
    });
}
