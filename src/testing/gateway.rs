//! A running gateway.

use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::fault::Fault;
use super::received::ReceivedRequest;
use super::service::Service;
use crate::loopback::Server;

/// A Nexus Gateway in this process. See the [module](super) for its paths.
///
/// # Example
///
/// ```
/// use nexus_sdk::testing::DevGateway;
/// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
///
/// let gateway = DevGateway::builder().connection("acme", "github").start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
/// let (status, _headers, body) = github.get("/user")?;
/// assert_eq!(status, 200);
/// assert_eq!(body, br#"{"login":"acme","provider":"github"}"#);
///
/// assert_eq!(gateway.count("/v1/resolve"), 1);
/// let request = gateway.requests().pop().unwrap();
/// assert!(request.headers.contains_key("authorization"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Details
///
/// The gateway runs on its own threads, so a blocking client may run on the thread that started it. Dropping it frees the
/// port, closes open connections and ends its threads. `Debug` shows only the URL.
pub struct DevGateway {
    pub(super) service: Arc<Service>,
    // Dropping the server ends its threads.
    pub(super) _server: Server,
}

impl DevGateway {
    /// The URL of the gateway, such as `http://127.0.0.1:PORT`, without a trailing slash. The sample upstream has the
    /// same URL.
    ///
    /// # Example
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// assert!(gateway.url().starts_with("http://127.0.0.1:"));
    /// assert!(!gateway.url().ends_with('/'));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn url(&self) -> &str {
        &self.service.url
    }

    /// Creates an active connection without asking for consent, and returns its id. The new connection supersedes an
    /// active connection of the same workspace and provider.
    ///
    /// Ids are consecutive, from `00000000-0000-4000-8000-000000000001`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if no provider has this name.
    ///
    /// # Example
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// let id = gateway.connect("workspace-1", "github")?;
    /// let token = ureq::get(format!("{}/v1/token/{id}", gateway.url())).call()?;
    /// assert_eq!(token.status(), 200);
    /// assert!(gateway.connect("workspace-1", "nobody").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(&self, workspace_id: &str, provider_name: &str) -> io::Result<String> {
        let now = self.service.clock.now();
        let mut connections = self.service.connections.lock();
        connections.connect(workspace_id, provider_name, now)
    }

    /// Sets the status of a connection. Returns `false` if no connection has this id.
    ///
    /// The statuses are `pending`, `active`, `failed`, `attention`, `expired`, `revoked` and `superseded`. Any other
    /// status counts as not active. As on gateway 0.4, check-connection reports `failed` for every status but `active`,
    /// and resolve finds only active connections. The token call's errors depend on the status. Setting `active`
    /// supersedes another active connection of the same workspace and provider. The upstream accepts a credential only
    /// while its connection is active.
    ///
    /// # Example
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// let id = gateway.connect("workspace-1", "github")?;
    /// assert!(gateway.set_status(&id, "revoked"));
    ///
    /// let token = ureq::get(format!("{}/v1/token/{id}", gateway.url())).call();
    /// assert!(matches!(token, Err(ureq::Error::StatusCode(410))));
    /// assert!(!gateway.set_status("unknown", "active"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[expect(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn set_status(&self, connection_id: &str, status: &str) -> bool {
        let mut connections = self.service.connections.lock();
        if status == "active" {
            connections.activate(connection_id);
        }
        let connection = connections.by_id(connection_id);
        connection
            .map(|found| status.clone_into(&mut found.status))
            .is_some()
    }

    /// Replaces the credential of a workspace and provider. The upstream refuses the old credential at once, and the
    /// gateway returns the new credential from then on. Returns `false` if there is no connection. If the gateway
    /// stores no credential, for example because no call has asked for it yet, nothing changes.
    ///
    /// All string fields of a static credential change, except the user name. For OAuth 2, only the tokens and their
    /// expiry change. The same applies to credentials set with
    /// [`Provider::credentials`](super::Provider::credentials).
    ///
    /// # Example
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// gateway.connect("workspace-1", "github")?;
    /// assert!(gateway.rotate("workspace-1", "github"));
    /// assert!(!gateway.rotate("workspace-2", "github"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[expect(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn rotate(&self, workspace_id: &str, provider_name: &str) -> bool {
        let now = self.service.clock.now();
        let mut connections = self.service.connections.lock();
        let connection = connections.by_pair(workspace_id, provider_name);
        connection.map(|found| found.rotate(now)).is_some()
    }

    /// Ends the grant at the provider alone, as if the user had revoked the application's access there. The upstream
    /// refuses all earlier credentials. The gateway does not notice: until its next refresh, the connection is active, and
    /// resolve returns the refused token. The provider refuses the next refresh. If a call triggered that refresh, the status of
    /// the connection becomes `attention`. If [`run_health_worker`](Self::run_health_worker) did, the status becomes
    /// `expired`. Returns `false` if there is no connection.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    /// use std::time::Duration;
    ///
    /// let gateway = DevGateway::builder().connection("workspace-1", "github").start()?;
    /// let url = format!("{}/v1/resolve?workspace_id=workspace-1&provider_name=github", gateway.url());
    /// ureq::get(&url).call()?; // issues a token
    ///
    /// assert!(gateway.end_grant("workspace-1", "github"));
    /// gateway.advance(Duration::from_secs(3600)); // the default lifetime
    /// let resolve = || ureq::get(&url).call();
    /// assert!(matches!(resolve(), Err(ureq::Error::StatusCode(409)))); // token_expired
    /// assert!(matches!(resolve(), Err(ureq::Error::StatusCode(404)))); // connection_not_found
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn end_grant(&self, workspace_id: &str, provider_name: &str) -> bool {
        let mut connections = self.service.connections.lock();
        let connection = connections.by_pair(workspace_id, provider_name);
        connection.map(|found| found.grant.end()).is_some()
    }

    /// Takes the broker's database away, or brings it back. The broker stores the connections there. Broker 0.4 takes a
    /// failed query for an empty result, so the gateway denies connections that exist:
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let gateway = DevGateway::builder().connection("workspace-1", "github").start()?;
    /// let url = format!("{}/v1/resolve?workspace_id=workspace-1&provider_name=github", gateway.url());
    /// let resolve = || ureq::get(&url).call();
    ///
    /// gateway.database_away(true);
    /// assert!(matches!(resolve(), Err(ureq::Error::StatusCode(404)))); // connection_not_found
    /// gateway.database_away(false);
    /// assert_eq!(resolve()?.status(), 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Details
    ///
    /// | call | response while the database is away |
    /// |---|---|
    /// | resolve, `DELETE` | 404 `connection_not_found` |
    /// | token | 404 `token_not_found` |
    /// | check-connection | `failed` |
    /// | request-connection, the list of providers | 502 `broker_error` with the `status` 500 |
    /// | refresh | 502 `upstream_error` |
    /// | health | 200 |
    ///
    /// Agent sessions, the consent page, the calls that capture a credential and the sample upstream are not affected.
    /// No connection is lost. For a single failed query, schedule a
    /// [`Fault::DatabaseError`](super::Fault::DatabaseError).
    pub fn database_away(&self, away: bool) {
        self.service.database_away.store(away, Ordering::SeqCst);
    }

    /// Refreshes the tokens of all active OAuth 2 connections that have a token, even if they have not expired. If the
    /// provider rotates refresh tokens, cached access tokens then stop working before their expiry. If the provider
    /// refuses a refresh, the status of the connection becomes `expired`.
    ///
    /// A real gateway stores its connections in a service called the broker. The broker's health worker refreshes a
    /// token within a minute after the connection was made, and then about every hour.
    ///
    /// # Example
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// let id = gateway.connect("workspace-1", "github")?;
    /// let token = || -> Result<String, ureq::Error> {
    ///     let url = format!("{}/v1/token/{id}", gateway.url());
    ///     ureq::get(url).call()?.body_mut().read_to_string()
    /// };
    /// let first = token()?;
    /// gateway.run_health_worker();
    /// assert_ne!(token()?, first);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_health_worker(&self) {
        let now = self.service.clock.now();
        self.service.connections.lock().refresh_all(now);
    }

    /// Moves the gateway's clock forward, at most to the year 9999. The `Date` header and all expiries follow it.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// let id = gateway.connect("workspace-1", "github")?;
    /// let token = || -> Result<String, ureq::Error> {
    ///     let url = format!("{}/v1/token/{id}", gateway.url());
    ///     ureq::get(url).call()?.body_mut().read_to_string()
    /// };
    /// let first = token()?;
    /// assert_eq!(token()?, first);
    ///
    /// gateway.advance(Duration::from_secs(3600)); // the default lifetime
    /// assert_ne!(token()?, first);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance(&self, by: Duration) {
        self.service.clock.advance(by);
    }

    /// Makes the next `n` requests fail. If several faults apply to a request, the fault that was scheduled first takes
    /// effect.
    ///
    /// # Example
    ///
    /// ```
    /// # use nexus_sdk::testing::{DevGateway, Fault};
    /// # let gateway = DevGateway::start()?;
    /// gateway.fail_next(1, Fault::Cut);
    /// assert!(ureq::get(format!("{}/health", gateway.url())).call().is_err());
    /// assert!(ureq::get(format!("{}/health", gateway.url())).call().is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fail_next(&self, n: usize, fault: Fault) {
        self.fail_next_at("", n, fault);
    }

    /// Makes the next `n` requests to paths that start with `path` fail.
    ///
    /// # Example
    ///
    /// ```
    /// # use nexus_sdk::testing::{DevGateway, Fault};
    /// # let gateway = DevGateway::start()?;
    /// let fault = Fault::RetryAfter { status: 429, value: "1".into() };
    /// gateway.fail_next_at("/v1/resolve", 2, fault);
    ///
    /// assert!(ureq::get(format!("{}/health", gateway.url())).call().is_ok());
    /// let resolve = ureq::get(format!("{}/v1/resolve", gateway.url())).call();
    /// assert!(matches!(resolve, Err(ureq::Error::StatusCode(429))));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fail_next_at(&self, path: &str, n: usize, fault: Fault) {
        self.service.faults.lock().schedule(path, n, fault);
    }

    /// Cancels the faults that have not taken effect yet.
    ///
    /// # Example
    ///
    /// ```
    /// # use nexus_sdk::testing::{DevGateway, Fault};
    /// # let gateway = DevGateway::start()?;
    /// gateway.fail_next_at("/v1/", usize::MAX, Fault::BrokerDown);
    /// let providers = || ureq::get(format!("{}/v1/providers", gateway.url())).call();
    /// assert!(matches!(providers(), Err(ureq::Error::StatusCode(502))));
    /// gateway.forget_faults();
    /// assert!(providers().is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn forget_faults(&self) {
        self.service.faults.lock().forget();
    }

    /// The last 10,000 requests in the order of their arrival, with at most 256 MiB of bodies. Requests that were not valid HTTP, exceeded a size limit or
    /// named a host of another machine are left out.
    ///
    /// # Example
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// ureq::post(format!("{}/anything", gateway.url())).send("hello").ok();
    /// assert_eq!(gateway.requests()[0].body, b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.service.requests.lock().all()
    }

    /// The number of requests to paths that start with `path`, including requests that got a fault. `""` counts all
    /// requests.
    ///
    /// # Example
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// ureq::get(format!("{}/health", gateway.url())).call().ok();
    /// assert_eq!((gateway.count("/health"), gateway.count("/v1/")), (1, 0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn count(&self, path: &str) -> usize {
        self.service.requests.lock().count(path)
    }

    /// Discards the recorded requests. [`count`](Self::count) starts from zero again.
    ///
    /// # Example
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// ureq::get(format!("{}/health", gateway.url())).call().ok();
    /// gateway.forget_requests();
    /// assert_eq!(gateway.count(""), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn forget_requests(&self) {
        self.service.requests.lock().forget();
    }
}

// A panic cannot leave the gateway's state half changed: no code of a caller runs while it changes, and its locks are not
// poisoned.
impl UnwindSafe for DevGateway {}
impl RefUnwindSafe for DevGateway {}

impl fmt::Debug for DevGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevGateway")
            .field("url", &self.service.url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::net::TcpStream;
    use std::thread;

    #[test]
    fn dropping_ends_every_thread_that_shares_the_gateway() -> io::Result<()> {
        let gateway = DevGateway::start()?;
        gateway.fail_next(1, Fault::Delay(Duration::MAX));
        let address = gateway.url().trim_start_matches("http://").to_owned();
        let mut delayed = TcpStream::connect(&address)?;
        delayed.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let idle = TcpStream::connect(&address)?;
        while gateway.count("/health") == 0 {
            thread::yield_now();
        }
        let service = Arc::clone(&gateway.service);
        drop(gateway);
        // The threads end because their connections are closed. Under Wine, a thread that reads ends once its client closes
        // the connection too.
        let clients = (!cfg!(windows)).then_some((delayed, idle));
        while Arc::strong_count(&service) > 1 {
            thread::yield_now();
        }
        drop(clients);
        Ok(())
    }
}
