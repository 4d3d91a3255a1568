//! The end of a consent on this machine: where the browser is sent back to, and the page on which a
//! credential is entered.

mod entry;
mod field;
mod form;
mod http;
mod input;
mod page;
mod random;
mod schema;
mod server;
mod site;

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use crate::arrivals::{Arrivals, Lookout};
use crate::client::NexusClient;
use crate::error::{ErrorKind, NexusError, Result};
use crate::wait::WaitOptions;
use entry::Entry;
use form::Form;
use random::random;
use server::Server;
use site::Site;

/// Listens on loopback for the user's browser (RFC 8252 section 7.3), until it is dropped. With the
/// feature `consent`.
///
/// Its [`return_url`](Self::return_url) is for
/// [`RequestConnectionInput`](crate::RequestConnectionInput). A browser that comes back there sees
/// "Connected. You can close this window.", and a wait with [`WaitOptions::consent`] asks the gateway
/// at once, without the rest of its pause. That is all: the redirect proves nothing, only the gateway's
/// status ends the wait, which also polls as ever, since a consent that was denied sends nobody back.
///
/// The URL works once, for the connection that is waited for, and holds 128 bits from the operating
/// system. Whatever else comes changes nothing: its response is a 404, or another 4xx where it is no
/// request that can be read, is too large, or is sent from another page than the form's own. A request
/// may take 10 s and have 16 KiB, and 64 KiB in a form; of more than 64 connections the oldest that has
/// sent no request is cut off.
/// One thread listens, and one serves each connection. Dropping it closes the port; responses under
/// way have up to a second to get to the browser.
///
/// A gateway may be set to allow certain return URLs only; it has to allow `http://127.0.0.1` with any
/// port and path for this one.
///
/// ```
/// use nexus_sdk::{ConsentListener, NexusClient, NexusClientOptions, RequestConnectionInput, WaitOptions};
/// use nexus_sdk::testing::DevGateway;
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let listener = ConsentListener::bind()?;
/// let input = RequestConnectionInput::new("acme", "github", ["repo"], listener.return_url());
/// let connection = client.request_connection(&input)?;
/// eprintln!("open {}", connection.auth_url);
/// # nexus_sdk::ureq::get(&connection.auth_url).call()?;
/// let options = WaitOptions::default().consent(&listener);
/// assert!(client.wait_for_active(&connection.connection_id, options)? == "active");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ConsentListener {
    return_url: String,
    arrivals: Arc<Arrivals>,
    site: Arc<Site>,
    _server: Server,
}

impl ConsentListener {
    /// Listens on 127.0.0.1, on a port that the system chooses. Does not block.
    ///
    /// # Errors
    ///
    /// `request_failed` when the system gives no port, thread or random bytes.
    ///
    /// ```
    /// let listener = nexus_sdk::ConsentListener::bind()?;
    /// assert!(listener.return_url().starts_with("http://127.0.0.1:"));
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn bind() -> Result<Self> {
        Self::bind_to(0)
    }

    /// Listens on 127.0.0.1, on this port, for gateways and firewalls that allow certain ports only; 0
    /// is any that is free. Does not block.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a port that is taken or needs more rights; else as [`bind`](Self::bind).
    ///
    /// ```
    /// use nexus_sdk::ConsentListener;
    ///
    /// let first = ConsentListener::bind()?;
    /// let port: u16 = first.return_url().split([':', '/']).nth(4).unwrap().parse()?;
    /// assert_eq!(ConsentListener::bind_to(port).unwrap_err().code(), "invalid_input");
    /// drop(first);
    /// assert!(ConsentListener::bind_to(port).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bind_to(port: u16) -> Result<Self> {
        let listener = server::listen(port).map_err(|error| no_port(port, &error))?;
        Self::serve(listener)
    }

    fn serve(listener: TcpListener) -> Result<Self> {
        let failed = |error: io::Error| no_port(0, &error);
        let authority = match listener.local_addr().map_err(failed)?.port() {
            // Browsers leave the default port out of the `Host` header.
            80 => "127.0.0.1".to_owned(),
            port => format!("127.0.0.1:{port}"),
        };
        let path = format!("/{}", random()?);
        let return_url = format!("http://{authority}{path}");
        let arrivals = Arc::new(Arrivals::default());
        let site = Arc::new(Site::new(authority, path, Arc::clone(&arrivals)));
        let server = Server::start(listener, Arc::clone(&site)).map_err(failed)?;
        Ok(Self {
            return_url,
            arrivals,
            site,
            _server: server,
        })
    }

    /// The address for [`RequestConnectionInput`](crate::RequestConnectionInput), such as
    /// `http://127.0.0.1:49152/6f0a..`. It works once.
    ///
    /// ```
    /// let listener = nexus_sdk::ConsentListener::bind()?;
    /// let path = listener.return_url().rsplit('/').next().unwrap();
    /// assert_eq!(path.len(), 32);
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    #[must_use]
    pub fn return_url(&self) -> &str {
        &self.return_url
    }

    /// The address of a page on which the user enters the credential of a provider that has no consent
    /// page: API keys, user names and passwords. `state` is that of
    /// [`request_connection`](NexusClient::request_connection)'s response.
    ///
    /// The page has a field for each property of the provider's JSON Schema, with its title and
    /// description; what is a secret (`writeOnly`, `format: password`, or a name such as `api_key`) is
    /// hidden as it is typed and never shown again. It names this program, the provider and the
    /// gateway's origin. What is entered goes from this process to the gateway, whose refusal is shown
    /// there and can be mended. Once the gateway has taken it, the page says "Connected. You can close
    /// this window.", a wait with [`WaitOptions::consent`] looks at once, and the address is used up; it
    /// is gone with the listener, and after seven newer forms.
    ///
    /// The address is random, and a form is only taken from its own page (`Host`, `Origin` and
    /// `Sec-Fetch-Site` are checked). Still, whoever has the address can complete the connection: show it
    /// to the user, and do not log it.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// As [`capture_schema`](NexusClient::capture_schema); `invalid_response` for a schema without any
    /// properties.
    ///
    /// ```
    /// use nexus_sdk::{ConsentListener, NexusClient, NexusClientOptions, RequestConnectionInput, WaitOptions};
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let listener = ConsentListener::bind()?;
    /// let scopes: [&str; 0] = [];
    /// let input = RequestConnectionInput::new("acme", "weather", scopes, listener.return_url());
    /// let connection = client.request_connection(&input)?;
    /// let state = connection.state.as_deref().unwrap_or_default();
    /// let page = listener.credential_form(&client, state)?;
    /// eprintln!("open {page}");
    /// # nexus_sdk::ureq::post(&page).send_form([("api_key", "k-1")])?;
    /// let options = WaitOptions::default().consent(&listener);
    /// assert!(client.wait_for_active(&connection.connection_id, options)? == "active");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn credential_form(&self, client: &NexusClient, state: &str) -> Result<String> {
        let schema = client.capture_schema(state)?;
        let provider = schema
            .provider_name
            .unwrap_or_else(|| "the provider".to_owned());
        let form = Form::new(
            program(),
            provider,
            client.flights().gateway.origin(),
            &schema.schema,
        );
        let form = form.ok_or_else(|| {
            let problem = "the schema of the provider's credential has no properties to fill in";
            NexusError::new(ErrorKind::InvalidResponse, problem)
        })?;
        let path = format!("/{}", random()?);
        let address = format!("{}{path}", self.site.origin());
        self.site.add(Entry::new(path, form, client, state));
        Ok(address)
    }
}

/// The address is left out: whoever has it can pass for the user's browser.
impl fmt::Debug for ConsentListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentListener").finish_non_exhaustive()
    }
}

impl WaitOptions<'_> {
    /// Asks the gateway at once when the user's browser is back at this listener, or the credential
    /// entered in its form is taken. Default: the wait only polls. With the feature `consent`.
    ///
    /// ```
    /// use nexus_sdk::{ConsentListener, WaitOptions};
    /// use std::time::Duration;
    ///
    /// let listener = ConsentListener::bind()?;
    /// // Polls may be few where the browser brings the news.
    /// let options = WaitOptions::default().interval(Duration::from_secs(5)).consent(&listener);
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    #[must_use]
    pub fn consent(mut self, listener: &ConsentListener) -> Self {
        self.lookout = Some(Lookout::new(Arc::clone(&listener.arrivals)));
        self
    }
}

/// The name that the user knows this program by.
fn program() -> String {
    let path = std::env::current_exe().ok();
    let name = path.as_deref().and_then(Path::file_stem);
    name.map_or_else(
        || "A program".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn no_port(port: u16, error: &io::Error) -> NexusError {
    let taken = matches!(
        error.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
    );
    if port != 0 && taken {
        let problem =
            format!("cannot listen on 127.0.0.1:{port} ({error}); choose another, or 0 for any");
        return NexusError::invalid_input("port", problem);
    }
    let problem = format!("cannot listen on 127.0.0.1 for the user's browser: {error}");
    NexusError::new(ErrorKind::RequestFailed, problem)
}
