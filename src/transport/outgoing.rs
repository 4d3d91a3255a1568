//! A request, as the other modules hand it over.

use std::io;
use std::sync::atomic::AtomicBool;

use ureq::http::{HeaderMap, Method, Uri};

use crate::error::{NexusError, Origin};
use crate::url;

/// A request that can be sent again.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Uri,
    /// The URL of the first request, if a redirect has led to `url`. An error then shows the origin of this URL.
    pub(crate) redirected_from: Option<&'a Uri>,
    /// Builds the headers, anew each time that the request is sent, so that they are moved and never copied.
    pub(crate) headers: &'a mut dyn FnMut() -> Result<HeaderMap, NexusError>,
    /// `None` sends no body, and an empty slice sends `Content-Length: 0`.
    pub(crate) body: Option<&'a [u8]>,
    /// True if the gateway may refresh a token. The request then uses a new connection, and the timeouts of the caller's
    /// own agent do not apply. After a network failure, it is sent again only if it was certainly not received.
    pub(crate) may_refresh: bool,
    /// The server that the request is for.
    pub(crate) server: Origin,
    /// The lowest status that becomes an error. At most 64 KiB of the body of such a response are read, and a body that breaks
    /// off is not an error of its own.
    pub(crate) error_from: u16,
    /// True once the fetch or call that this request is a part of has replaced a connection that was cut.
    pub(crate) has_reconnected: &'a AtomicBool,
    /// Gets the body of a response with a lower status as it arrives.
    pub(crate) writer: Option<&'a mut dyn io::Write>,
}

impl Outgoing<'_> {
    /// Returns whether the request may be sent again although the server may have received it. False for a request that
    /// may refresh a token, because a proxy may have cut the connection while the gateway is still refreshing.
    pub(super) fn is_repeatable(&self) -> bool {
        self.method.is_idempotent() && !self.may_refresh
    }

    /// Describes the place of the request, for messages.
    pub(super) fn place(&self) -> String {
        url::place(self.url, self.redirected_from)
    }
}
