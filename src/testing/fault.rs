//! Faults on order.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::response::{Response, TEXT};
use ureq::http::header::RETRY_AFTER;

/// What goes wrong with a request, ordered with [`DevGateway::fail_next`](super::DevGateway::fail_next) or
/// [`DevGateway::fail_next_at`](super::DevGateway::fail_next_at).
///
/// A status outside of 100 to 999 is sent as 500. A `content_type` or a `value` that no header can hold is left out.
/// `Debug` shows the length of a body, which may hold a credential.
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
#[derive(Clone)]
#[non_exhaustive]
pub enum Fault {
    /// A response with this status and an empty body.
    Status(u16),
    /// A response of your own; [`Fault::reply`] makes one.
    Reply {
        /// The HTTP status.
        status: u16,
        /// The `Content-Type`.
        content_type: String,
        /// The body, sent as it is; left out with 1xx, 204 and 304, which have none.
        body: Vec<u8>,
    },
    /// The text `Too Many Requests`, with a `Retry-After` header.
    RetryAfter {
        /// The HTTP status, as 429 or 503.
        status: u16,
        /// The header's value: seconds, or an HTTP date.
        value: String,
    },
    /// The normal response, this much later. The request is acted on after the delay.
    Delay(Duration),
    /// The request is read, then the connection closes without a response.
    ///
    /// On a connection that had served a request before, that looks like one that the server had closed while it was
    /// idle. The SDK then sends a request of an idempotent method (`GET`, `HEAD`, `PUT`, `DELETE` ..) once more, on a
    /// new connection: order two cuts to see such a request fail.
    Cut,
    /// The gateway cannot reach its broker. This and what follows has no effect on the sample upstream.
    BrokerDown,
    /// The gateway's own key is not the broker's: 403 `invalid_api_key`, which only the operator can fix.
    WrongBrokerKey,
    /// The provider cannot be reached: what needs a refresh gets 409 `token_expired`, and the connection stays active.
    ProviderDown,
    /// The broker does not allow the return URL: request-connection gets 502 `broker_error` with `status` 400.
    ReturnUrlRefused,
}

impl Fault {
    /// A [`Fault::Reply`].
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
            Self::Status(status) => f.debug_tuple("Status").field(status).finish(),
            Self::Reply {
                status,
                content_type,
                body,
            } => f
                .debug_struct("Reply")
                .field("status", status)
                .field("content_type", content_type)
                .field("body_len", &body.len())
                .finish_non_exhaustive(),
            Self::RetryAfter { status, value } => f
                .debug_struct("RetryAfter")
                .field("status", status)
                .field("value", value)
                .finish(),
            Self::Delay(by) => f.debug_tuple("Delay").field(by).finish(),
            Self::Cut => f.write_str("Cut"),
            Self::BrokerDown => f.write_str("BrokerDown"),
            Self::WrongBrokerKey => f.write_str("WrongBrokerKey"),
            Self::ProviderDown => f.write_str("ProviderDown"),
            Self::ReturnUrlRefused => f.write_str("ReturnUrlRefused"),
        }
    }
}

/// What is wrong behind the gateway.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    BrokerDown,
    WrongBrokerKey,
    ProviderDown,
    ReturnUrlRefused,
}

/// What a fault means for the request at hand.
pub(super) enum Effect {
    None,
    Wait(Duration),
    Cut,
    Response(Response),
    Trouble(Trouble),
}

impl From<Fault> for Effect {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Status(status) => Self::Response(Response::empty(status)),
            Fault::Reply {
                status,
                content_type,
                body,
            } => Self::Response(Response::new(status, &content_type, body)),
            Fault::RetryAfter { status, value } => Self::Response(
                Response::new(status, TEXT, "Too Many Requests\n").header(RETRY_AFTER, &value),
            ),
            Fault::Delay(delay) => Self::Wait(delay),
            Fault::Cut => Self::Cut,
            Fault::BrokerDown => Self::Trouble(Trouble::BrokerDown),
            Fault::WrongBrokerKey => Self::Trouble(Trouble::WrongBrokerKey),
            Fault::ProviderDown => Self::Trouble(Trouble::ProviderDown),
            Fault::ReturnUrlRefused => Self::Trouble(Trouble::ReturnUrlRefused),
        }
    }
}

struct Order {
    prefix: String,
    left: usize,
    fault: Fault,
}

/// The faults still to come, in the order in which they were asked for.
#[derive(Default)]
pub(super) struct FaultPlan(VecDeque<Order>);

impl FaultPlan {
    pub(super) fn order(&mut self, prefix: &str, left: usize, fault: Fault) {
        let prefix = prefix.to_owned();
        self.0.push_back(Order {
            prefix,
            left,
            fault,
        });
    }

    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// The effect on a request for `path`, which uses it up.
    pub(super) fn take(&mut self, path: &str) -> Effect {
        self.0.retain(|order| order.left > 0);
        let due = self.0.iter_mut().find(|o| path.starts_with(&o.prefix));
        due.map_or(Effect::None, |order| {
            order.left = order.left.saturating_sub(1);
            order.fault.clone().into()
        })
    }
}
