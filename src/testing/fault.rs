//! Faults that a test schedules.

use std::fmt;
use std::time::Duration;

/// A failure for [`DevGateway::fail_next`](super::DevGateway::fail_next) or
/// [`DevGateway::fail_next_at`](super::DevGateway::fail_next_at).
///
/// A status outside of 100 to 999 is sent as 500. A `content_type` or `value` that is not valid in a header is left
/// out. `Debug` shows only the length of a body, which may contain a credential.
///
/// # Example
///
/// ```
/// use nexus_sdk::testing::{DevGateway, Fault};
///
/// let gateway = DevGateway::start()?;
/// let health = format!("{}/health", gateway.url());
/// gateway.fail_next(1, Fault::Status(503));
///
/// assert!(matches!(ureq::get(&health).call(), Err(ureq::Error::StatusCode(503))));
/// assert_eq!(ureq::get(&health).call()?.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A response with this status and an empty body.
    Status(u16),
    /// A response of the test's choice. [`Fault::reply`] creates this variant.
    Reply {
        /// The HTTP status.
        status: u16,
        /// The `Content-Type`.
        content_type: String,
        /// The body. It is left out with the statuses 1xx, 204 and 304, which have no body.
        body: Vec<u8>,
    },
    /// A plain-text response `Too Many Requests`, with a `Retry-After` header.
    RetryAfter {
        /// The HTTP status, such as 429 or 503.
        status: u16,
        /// The value of the header: seconds or an HTTP date.
        value: String,
    },
    /// The normal response after a delay. The request takes effect after the delay, unless the client hangs up first.
    /// For a refresh that takes time, set [`Provider::refresh_time`](super::Provider::refresh_time) instead.
    Delay(Duration),
    /// The gateway reads the request, and closes the connection without a response.
    ///
    /// On a reused connection this looks as if the server had closed an idle connection. The SDK then sends an
    /// idempotent request (`GET`, `HEAD`, `PUT`, `DELETE` ..) once more on a new connection, unless the request may refresh
    /// a token. Schedule two cuts to make such a request fail.
    Cut,
    /// The gateway cannot reach its broker, the service that stores the connections.
    ///
    /// This fault and the faults below do not affect the sample upstream, the consent page, the health check,
    /// `capture-schema` or `capture-credential`. Of these faults, only [`ProviderDown`](Self::ProviderDown) affects agent
    /// sessions. Requests that a fault does not affect still use it up.
    BrokerDown,
    /// The broker's query of its database fails, for example because too many calls at once have used up the database's
    /// connections. The broker takes the failure for an empty result: resolve and `DELETE` get a false 404
    /// `connection_not_found`, and the token call gets a false 404 `token_not_found`.
    /// [`DevGateway::database_away`](super::DevGateway::database_away) does the same for all calls, and lists what each of
    /// them gets.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::{DevGateway, Fault};
    ///
    /// let gateway = DevGateway::builder().connection("workspace-1", "github").start()?;
    /// gateway.fail_next_at("/v1/resolve", 1, Fault::DatabaseError);
    ///
    /// let url = format!("{}/v1/resolve?workspace_id=workspace-1&provider_name=github", gateway.url());
    /// assert!(matches!(ureq::get(&url).call(), Err(ureq::Error::StatusCode(404))));
    /// assert_eq!(ureq::get(&url).call()?.status(), 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    DatabaseError,
    /// The broker refuses the gateway's own key with 403 `invalid_api_key`. Only an operator can fix this.
    WrongBrokerKey,
    /// The gateway cannot reach the provider. If a resolve, a token call or a request for an agent session needs a refresh,
    /// it gets 409 `token_expired`, and the connection stays active.
    ProviderDown,
    /// The broker does not allow the return URL. request-connection gets 502 `broker_error` with the `status` 400.
    ReturnUrlRefused,
}

impl Fault {
    /// Creates a [`Fault::Reply`].
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::{DevGateway, Fault};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.fail_next(1, Fault::reply(200, "application/json", "[1, 2"));
    ///
    /// let mut response = ureq::get(format!("{}/v1/resolve", gateway.url())).call()?;
    /// assert_eq!(response.body_mut().read_to_string()?, "[1, 2");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reply(status: u16, content_type: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::Reply {
            status,
            content_type: content_type.into(),
            body: body.into(),
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "Status({status})"),
            Self::Reply {
                status,
                content_type,
                body,
            } => {
                let length = body.len();
                write!(
                    f,
                    "Reply {{ status: {status}, content_type: {content_type:?}, body_len: {length}, .. }}"
                )
            }
            Self::RetryAfter { status, value } => {
                write!(f, "RetryAfter {{ status: {status}, value: {value:?} }}")
            }
            Self::Delay(delay) => write!(f, "Delay({delay:?})"),
            Self::Cut => f.write_str("Cut"),
            Self::BrokerDown => f.write_str("BrokerDown"),
            Self::DatabaseError => f.write_str("DatabaseError"),
            Self::WrongBrokerKey => f.write_str("WrongBrokerKey"),
            Self::ProviderDown => f.write_str("ProviderDown"),
            Self::ReturnUrlRefused => f.write_str("ReturnUrlRefused"),
        }
    }
}

struct Scheduled {
    prefix: String,
    left: usize,
    fault: Fault,
}

/// The faults that have not taken effect yet, in the order in which they were scheduled.
#[derive(Default)]
pub(super) struct FaultPlan(Vec<Scheduled>);

impl FaultPlan {
    pub(super) fn schedule(&mut self, prefix: &str, left: usize, fault: Fault) {
        self.0.push(Scheduled {
            prefix: prefix.to_owned(),
            left,
            fault,
        });
    }

    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// Returns the fault for a request to `path`, and counts the request.
    pub(super) fn take(&mut self, path: &str) -> Option<Fault> {
        self.0.retain(|fault| fault.left > 0);
        let next = self.0.iter_mut().find(|f| path.starts_with(&f.prefix))?;
        next.left = next.left.saturating_sub(1);
        Some(next.fault.clone())
    }
}
