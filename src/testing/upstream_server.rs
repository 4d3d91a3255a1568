//! The sample upstream at an address of its own.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use ureq::http::StatusCode;

use super::gateway::DevGateway;
use super::response::Response;
use super::service::{LIMITS, Service, bind};
use super::upstream;
use crate::log::debug_only;
use crate::loopback::{self, Request, Server};

/// The sample upstream of a [`DevGateway`] at an address of its own. Dropping it closes its port and all its connections.
///
/// It outlives the gateway, so a test can stop either of them and leave the other running.
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// gateway.connect("acme", "github")?;
/// let upstream = gateway.serve_upstream(([127, 0, 0, 1], 0).into())?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let user = client.fetcher(&TokenCache::new(), "acme", "github").base_url(upstream.url())?;
/// assert_eq!(user.get("/user")?.0, 200);
/// // The gateway goes away. The cached token still works.
/// drop(gateway);
/// assert_eq!(user.get("/user")?.0, 200);
/// drop(upstream);
/// assert_eq!(user.get("/user").unwrap_err().code(), "request_failed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it stops it"]
pub struct UpstreamServer {
    url: String,
    // Dropping the server ends its threads.
    _server: Server,
}

impl UpstreamServer {
    /// Returns the address, such as `http://127.0.0.1:54321`.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let upstream = DevGateway::start()?.serve_upstream(([127, 0, 0, 1], 0).into())?;
    /// assert!(upstream.url().starts_with("http://127.0.0.1:"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl DevGateway {
    /// Serves the sample upstream at another loopback address as well. From then on, the gateway lists this address as the
    /// providers' base URL. Port 0 means any free port.
    ///
    /// # Errors
    ///
    /// The system's error if the port is taken or no thread can be started, and `InvalidInput` if the address is not a
    /// loopback address.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let gateway = DevGateway::start()?;
    /// let upstream = gateway.serve_upstream(([127, 0, 0, 1], 0).into())?;
    /// assert_ne!(upstream.url(), gateway.url());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn serve_upstream(&self, address: SocketAddr) -> io::Result<UpstreamServer> {
        let (listener, url) = bind(address)?;
        let upstream = Arc::new(Upstream(Arc::clone(&self.service)));
        let server = Server::start(listener, LIMITS, upstream)?;
        *self.service.upstream_url.lock() = Some(url.clone());
        Ok(UpstreamServer {
            url,
            _server: server,
        })
    }
}

debug_only!(UpstreamServer: url);

/// The gateway's state without the gateway's own paths.
struct Upstream(Arc<Service>);

impl loopback::Service for Upstream {
    fn respond(&self, request: Request, client: &TcpStream) -> Option<Response> {
        self.0.handle(request, client, |call| {
            let path: Vec<_> = call.request.path.split('/').skip(1).collect();
            upstream::respond(call.service, call.request, &path)
        })
    }

    fn refuse(&self, status: StatusCode) -> Response {
        self.0.refuse(status)
    }
}
