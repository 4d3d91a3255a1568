//! Responses that are cut at every byte.

use crate::calls::{Call, FaultyCall, FaultyServer, all, document};
use crate::support::{End, LONG, bytes, gzip, in_chunks, with_length};

/// Whole responses, and the number of bytes at the end of each without which its body is whole. The last chunk ends a
/// body, and the empty line after it ends the trailers.
fn wholes() -> [(&'static str, Vec<u8>, usize); 4] {
    const GZIP: &str = "Content-Encoding: gzip\r\n";
    let plain = document(1).into_bytes();
    let packed = gzip(&plain);
    [
        ("length", with_length("", &plain), 0),
        ("chunks", in_chunks("", &plain, 40), 2),
        ("gzip and length", with_length(GZIP, &packed), 0),
        ("gzip and chunks", in_chunks(GZIP, &packed, 40), 2),
    ]
}

#[test]
#[ignore = "`watched` runs it"]
fn an_answer_that_is_cut_at_any_byte_is_an_error() {
    let mut cuts = Vec::new();
    for (name, whole, after_body) in wholes() {
        let head = whole.windows(4).position(|part| part == b"\r\n\r\n");
        // Compressed and plain bodies have similar headers, so one of them is enough.
        let start = if name.starts_with("gzip") {
            head.unwrap() + 4
        } else {
            0
        };
        for length in start..=whole.len() {
            let mut cut = |call, end| {
                let reply = bytes(&whole[..length]).then(end);
                let expected = match whole.len() - length {
                    0 => &["ok"][..],
                    // Half of the last empty line, or a reset that may lose the end of the body.
                    1 if after_body == 2 => &["ok", "request_failed"],
                    2 if after_body == 2 && matches!(end, End::Reset) => &["ok", "request_failed"],
                    missing if missing == after_body => &["ok"],
                    _ => &["request_failed"],
                };
                cuts.push((
                    reply,
                    call,
                    expected,
                    format!("{name}, {length} bytes, {end:?}"),
                ));
            };
            cut(Call::Token, End::Close);
            cut(Call::Fetch, End::Reset);
            // The other ends differ little, so every third byte is enough.
            if length % 3 == 0 {
                cut(Call::Connect, End::Reset);
                cut(Call::Fetch, End::Close);
            }
        }
    }
    let replies: Vec<_> = cuts.iter().map(|(reply, ..)| reply.clone()).collect();
    let server = FaultyServer::start(move |case| replies[case].clone());
    let cases: Vec<usize> = (0..cuts.len()).collect();
    all(&cases, 16, |&case| {
        let (_, call, expected, what) = &cuts[case];
        let outcome = FaultyCall::new(&server, *call, case, LONG).make();
        assert!(expected.contains(&&*outcome), "{what}, {call:?}: {outcome}");
    });
}
