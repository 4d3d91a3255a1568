//! What the scripted server answers.

use std::fmt::Write as _;
use std::time::Duration;

use nexus_sdk::serde_json::Value;

use super::server::LONG;

/// Bytes, and what happens to the connection after them.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
    pub(crate) byte_by_byte: bool,
    /// After this the connection is closed, however it is to end.
    pub(crate) patience: Duration,
}

/// Nothing of a script goes on for longer, so that a call without an end is a failure and no hang.
const PATIENCE: Duration = Duration::from_secs(LONG.as_secs() + 10);

#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// Waits for the next request.
    Keep,
    Close,
    /// Says nothing more and keeps the connection open.
    Hold,
    /// Closes the server's side alone, and waits for the client to close its own.
    HalfClose,
    /// Closes as a broken connection does; see `Server::resetting`.
    Reset,
    /// These bytes again and again, slowly.
    Drip(&'static [u8]),
    /// These bytes again and again, as fast as they are taken.
    Flood(&'static [u8]),
}

impl Reply {
    pub(crate) fn then(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    pub(crate) fn byte_by_byte(mut self) -> Self {
        self.byte_by_byte = true;
        self
    }

    pub(crate) fn at_most(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// These very bytes, and then the end of the connection.
pub(crate) fn bytes(bytes: impl Into<Vec<u8>>) -> Reply {
    Reply {
        bytes: bytes.into(),
        end: End::Close,
        byte_by_byte: false,
        patience: PATIENCE,
    }
}

/// A response with a `Content-Length`.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
    let mut head = format!("HTTP/1.1 {status} Some Reason\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    let body = body.as_ref();
    if !matches!(status, 204 | 304) {
        write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
    }
    head.push_str("\r\n");
    Reply {
        bytes: [head.as_bytes(), body].concat(),
        end: End::Keep,
        byte_by_byte: false,
        patience: PATIENCE,
    }
}

pub(crate) fn text(status: u16, body: &str) -> Reply {
    reply(status, &[("Content-Type", "text/plain")], body)
}

pub(crate) fn json(status: u16, body: &Value) -> Reply {
    reply(
        status,
        &[("Content-Type", "application/json")],
        body.to_string(),
    )
}

pub(crate) fn redirect(status: u16, location: &str) -> Reply {
    reply(status, &[("Location", location)], "moved")
}
