//! A running gateway, and what a test can do to it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::fault::Fault;
use super::received::ReceivedRequest;
use super::service::Service;
use crate::loopback::Server;

/// A Nexus Gateway of your own, for as long as the value lives.
///
/// Dropping it frees the port, cuts open connections and joins every thread. Requests are served by threads of its own,
/// so a blocking client in the same thread is fine. `Debug` shows the URL only.
///
/// ```
/// use nexus_sdk::testing::DevGateway;
///
/// let gateway = DevGateway::builder().connection("workspace-1", "github").start()?;
/// let resolve = format!(
///     "{}/v1/resolve?workspace_id=workspace-1&provider_name=github",
///     gateway.url()
/// );
/// let body = ureq::get(resolve).call()?.body_mut().read_to_string()?;
/// let body: serde_json::Value = serde_json::from_str(&body)?;
/// let token = body["access_token"].as_str().unwrap_or_default();
///
/// let user = ureq::get(format!("{}/user", gateway.url()))
///     .header("Authorization", format!("Bearer {token}"))
///     .call()?
///     .body_mut()
///     .read_to_string()?;
/// assert_eq!(user, r#"{"login":"workspace-1","provider":"github"}"#);
/// assert_eq!(gateway.count("/v1/resolve"), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DevGateway {
    pub(super) service: Arc<Service>,
    // Held for its drop.
    pub(super) _server: Server,
}

impl DevGateway {
    /// Where it listens, as `http://127.0.0.1:PORT` without a trailing slash; the sample upstream's origin, too.
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

    /// Makes an active connection without the consent walk, and returns its id. An active connection of the same pair is
    /// superseded.
    ///
    /// Ids are counted: the first connection is `00000000-0000-4000-8000-000000000001`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when there is no provider of this name.
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

    /// Sets the status of a connection; `false` when there is none with this id.
    ///
    /// The gateway knows `pending`, `active`, `failed`, `attention`, `revoked` and `superseded`; any other counts as not
    /// active. What a client sees of it is what a gateway 0.4 shows: check-connection says `failed` for all but
    /// `active`, resolve knows active connections only, and the token call says more. `active` supersedes the pair's
    /// other connection. A credential works at the upstream only while `active`.
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
    #[expect(clippy::must_use_candidate, reason = "called for what it does")]
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

    /// Makes the current credential of a pair stop working at the upstream at once; the gateway hands out a new one from
    /// now on. `false` when there is no connection of the pair. Nothing changes when no credential was handed out yet.
    ///
    /// A new credential differs in every string but the user name (OAuth 2: in its tokens), also where
    /// [`Provider::credentials`](super::Provider::credentials) had set it.
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// gateway.connect("workspace-1", "github")?;
    /// assert!(gateway.rotate("workspace-1", "github"));
    /// assert!(!gateway.rotate("workspace-2", "github"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[expect(clippy::must_use_candidate, reason = "called for what it does")]
    pub fn rotate(&self, workspace_id: &str, provider_name: &str) -> bool {
        let now = self.service.clock.now();
        let mut connections = self.service.connections.lock();
        let connection = connections.by_pair(workspace_id, provider_name);
        connection.map(|found| found.rotate(now)).is_some()
    }

    /// Ends the grant of a pair at the provider, as its user may do there: the tokens handed out stop working, and the
    /// next refresh is refused, after which the connection needs attention. `false` when there is no connection of the
    /// pair.
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    /// use std::time::Duration;
    ///
    /// let gateway = DevGateway::builder().connection("workspace-1", "github").start()?;
    /// let url = format!("{}/v1/resolve?workspace_id=workspace-1&provider_name=github", gateway.url());
    /// ureq::get(&url).call()?; // hands out a token
    ///
    /// assert!(gateway.end_grant("workspace-1", "github"));
    /// gateway.advance(Duration::from_secs(3600)); // the default lifetime
    /// let resolve = || ureq::get(&url).call();
    /// assert!(matches!(resolve(), Err(ureq::Error::StatusCode(409)))); // token_expired
    /// assert!(matches!(resolve(), Err(ureq::Error::StatusCode(404)))); // connection_not_found
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::must_use_candidate, reason = "called for what it does")]
    pub fn end_grant(&self, workspace_id: &str, provider_name: &str) -> bool {
        let mut connections = self.service.connections.lock();
        let connection = connections.by_pair(workspace_id, provider_name);
        connection.map(|found| found.grant.end()).is_some()
    }

    /// Does what a broker's health worker does within a minute of a connection's making and then about every hour: it
    /// refreshes all active OAuth 2 connections whose token was handed out, however long their tokens still had, so that
    /// cached tokens stop working before their expiry.
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

    /// Moves the gateway's clock forward: its `Date` header, issue and expiry times. At most to the year 9999.
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

    /// Makes the next `n` requests fail, whatever their path. Orders are used up one after the other.
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

    /// Makes the next `n` requests fail whose path starts with `path`.
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
        self.service.faults.lock().order(path, n, fault);
    }

    /// Forgets the faults that are still to come.
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

    /// What it received, in order of arrival; the last 10,000 requests. Those that were not valid HTTP are not among
    /// them.
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

    /// How many requests came whose path starts with `path`, those that failed by order included; `""` counts all.
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

    /// Forgets what it received: [`count`](Self::count) starts from zero again.
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

impl Drop for DevGateway {
    fn drop(&mut self) {
        // The server, which is dropped next, waits for requests in progress.
        self.service.stop.set();
    }
}

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
        // Their connections are closed, and nothing else keeps the threads from ending.
        while Arc::strong_count(&service) > 1 {
            thread::yield_now();
        }
        drop((delayed, idle));
        Ok(())
    }
}
