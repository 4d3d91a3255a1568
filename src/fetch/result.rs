//! The result of a response: the value in its JSON, or the error for its status.

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use ureq::http::header::CONTENT_TYPE;
use ureq::http::{HeaderMap, StatusCode};

use crate::error::{ErrorKind, NexusError, Origin, Result};
use crate::json::without_bom;
use crate::log::{is_unsafe_to_show, shortened};
use crate::time::date;

/// The longest part of a body that an error shows, in characters.
const MAX_EXCERPT: usize = 200;
/// The part of a body in which an error looks for text, in bytes.
const MAX_SEARCHED: usize = 64 * 1024;

/// Parses the JSON of a response, such as a fetch returns it. A status other than 2xx is an error.
///
/// A byte order mark before the JSON is skipped. An empty body, such as that of a 204, counts as `null`: it can be parsed as
/// `()`, as an `Option` or as a [`serde_json::Value`].
///
/// The error for a status shows the beginning of the body. If the API repeats the credential there, the error shows it
/// unless the fetcher has [`hide_credential`](crate::Fetcher::hide_credential); with
/// [`http_status_as_error`](crate::FetchOptions::http_status_as_error), the credential is always hidden.
///
/// # Example
///
/// ```
/// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
/// # let gateway = DevGateway::start()?;
/// # gateway.connect("acme", "github")?;
/// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
/// use nexus_sdk::serde_json::Value;
///
/// let user: Value = nexus_sdk::json(github.get("/user")?)?;
/// assert_eq!(user["login"], "acme");
///
/// let error = nexus_sdk::json::<Value>(github.get("/nowhere")?).unwrap_err();
/// assert_eq!(error.code(), "http_404");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// - `http_<status>` for a status other than 2xx, of the kind [`ErrorKind::Api`](crate::ErrorKind::Api). The error has the
///   [`status_code`](NexusError::status_code), and [`retry_after`](NexusError::retry_after) from the API's header. It is
///   retryable after 408, 425, 429 and 5xx. The message has at most 200 characters of the body.
/// - `invalid_response`, with the origin [`Api`](crate::Origin::Api), for a body that is not JSON or not a `T`. The message
///   has the line and column and, for a body that is not JSON, its `Content-Type`.
pub fn json<T: DeserializeOwned>((status, headers, body): (u16, HeaderMap, Vec<u8>)) -> Result<T> {
    if !(200..300).contains(&status) {
        return Err(of_status("", status, &headers, &body));
    }
    let text = without_bom(&body);
    let is_empty = text.trim_ascii().is_empty();
    let parsed = serde_json::from_slice(if is_empty { b"null" } else { text });
    parsed.map_err(|problem| {
        let message = match problem.classify() {
            _ if is_empty => format!("the response with status {status} has no body"),
            Category::Data => {
                let mismatch = excerpt(problem.to_string().as_bytes());
                format!("the response's JSON is not what was expected: {mismatch}")
            }
            _ => {
                let content_type = headers
                    .get(CONTENT_TYPE)
                    .map_or(&b"not set"[..], |it| it.as_bytes());
                // The text is not shown, because a token may be in it.
                let kind = excerpt(content_type);
                format!("the response is not JSON: {problem}; its Content-Type is {kind}")
            }
        };
        NexusError::new(ErrorKind::InvalidResponse, message).with(|inner| {
            inner.status = Some(status);
            inner.origin = Origin::Api;
        })
    })
}

/// Returns the error for a status of an API. `place` begins the message.
pub(super) fn of_status(place: &str, status: u16, headers: &HeaderMap, body: &[u8]) -> NexusError {
    let code = StatusCode::from_u16(status).ok();
    let reason = code.and_then(|code| code.canonical_reason());
    let name = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let message = format!(
        "{place}the API responded with status {status}{name}{}",
        said(body)
    );
    NexusError::api(status, message, date::retry_after_header(headers))
}

/// Returns the error for a 401 to a credential that the gateway has confirmed. `place` begins the message.
pub(super) fn refused(place: &str, body: &[u8]) -> NexusError {
    let message = format!(
        "{place}the API refuses the credential with status 401, and the gateway has no other; let the user connect the \
         provider again{}",
        said(body)
    );
    NexusError::credential_refused(message)
}

/// Returns the body's text after a colon, or nothing for a body without text.
fn said(body: &[u8]) -> String {
    match excerpt(body) {
        text if text.is_empty() => text,
        text => format!(": {text}"),
    }
}

/// Returns the begin of a text in one line, without control characters.
fn excerpt(text: &[u8]) -> String {
    let start = String::from_utf8_lossy(text.get(..MAX_SEARCHED).unwrap_or(text));
    let parts = start.split(|c: char| c.is_whitespace() || is_unsafe_to_show(c));
    let words: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    shortened(&words.join(" "), MAX_EXCERPT).into_owned()
}
