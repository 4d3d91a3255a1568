//! Reads the bodies of responses, within a deadline and a size.

use std::io::{self, Read as _};

use ureq::http::header::{HeaderValue, TRANSFER_ENCODING};
use ureq::http::response::Parts;
use ureq::http::{self, Version};
use ureq::{Body, Timeout};

use crate::time::Deadline;

/// A response, read to its end.
pub(crate) type Response = http::Response<Vec<u8>>;

/// The part of a gateway's error body that is read, in bytes. Parsed JSON can take a hundred times as much memory.
const MAX_REFUSAL: u64 = 64 << 10;

/// Reads a response to its end, and returns the response with what was read and, if that is not all, the error. A body of
/// more than `max` bytes is an error. If the status becomes an error, because it is `error_from` or higher, a body that is
/// longer than `MAX_REFUSAL` or breaks off is cut short without an error of its own. Any other body goes to the writer, if
/// there is one.
pub(super) fn read(
    response: http::Response<Body>,
    deadline: Deadline,
    max: u64,
    error_from: u16,
    writer: Option<&mut dyn io::Write>,
) -> (Response, Option<ureq::Error>) {
    let (head, body) = response.into_parts();
    let is_refusal = head.status.as_u16() >= error_from;
    let mut bytes = Vec::new();
    let filled = if is_refusal {
        let _ = fill(&mut bytes, body, deadline, MAX_REFUSAL, None);
        Ok(())
    } else if !is_framed(&head) {
        let what = "the response has a Transfer-Encoding other than HTTP/1.1 `chunked`";
        Err(io::Error::other(what).into())
    } else if body.content_length().is_some_and(|length| length > max) {
        Err(ureq::Error::BodyExceedsLimit(max))
    } else {
        fill(&mut bytes, body, deadline, max, writer)
    };
    (Response::from_parts(head, bytes), filled.err())
}

/// Reads a body of at most `limit` bytes into the writer or, without one, into `bytes`.
fn fill(
    bytes: &mut Vec<u8>,
    body: Body,
    deadline: Deadline,
    limit: u64,
    writer: Option<&mut dyn io::Write>,
) -> Result<(), ureq::Error> {
    let announced = body.content_length().unwrap_or_default();
    // A server may announce more than it sends, so at most 64 KiB are reserved before the body arrives.
    let reserved = usize::try_from(announced.min(64 * 1024)).unwrap_or_default();
    let timed = Timed {
        body: body.into_reader(),
        deadline,
        is_empty: true,
    };
    let mut bounded = timed.take(limit.saturating_add(1));
    let read = if let Some(writer) = writer {
        io::copy(&mut bounded, writer).map(drop)
    } else {
        bytes.reserve_exact(reserved);
        bounded.read_to_end(bytes).map(drop)
    };
    match read.map_err(ureq::Error::from) {
        #[cfg(feature = "gzip")]
        Err(error) if bounded.get_ref().is_empty && is_empty_gzip(&error) => Ok(()),
        Ok(()) if bounded.limit() == 0 => Err(ureq::Error::BodyExceedsLimit(limit)),
        other => other,
    }
}

/// A body that can be read until the deadline. ureq's own time limit for the body begins when the body does.
struct Timed<R> {
    body: R,
    deadline: Deadline,
    /// True until the first byte has been read.
    is_empty: bool,
}

impl<R: io::Read> io::Read for Timed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.deadline.left().is_none() {
            return Err(ureq::Error::Timeout(Timeout::RecvBody).into_io());
        }
        let count = self.body.read(buffer)?;
        self.is_empty &= count == 0;
        Ok(count)
    }
}

/// Returns whether ureq can decode the body's transfer coding. ureq does not report other codings, and returns
/// the body still encoded. HTTP/1.0 has no transfer codings (RFC 9112 section 6.1).
fn is_framed(head: &Parts) -> bool {
    let is_known = |coding: &HeaderValue| {
        let is = |name| coding.as_bytes().eq_ignore_ascii_case(name);
        is(b"identity") || is(b"chunked") && head.version == Version::HTTP_11
    };
    head.headers.get_all(TRANSFER_ENCODING).iter().all(is_known)
}

/// Returns whether the body ended within its gzip header. Some servers send `Content-Encoding: gzip` with an empty
/// body, and a response to HEAD may have this header although it has no body. If the connection was lost instead, the
/// error has an inner error.
#[cfg(feature = "gzip")]
fn is_empty_gzip(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Decompress(_, cause)
        if cause.kind() == io::ErrorKind::UnexpectedEof && cause.get_ref().is_none())
}
