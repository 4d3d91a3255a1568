//! The pages that this process serves during consent: the return page, and the form for a credential.

mod credential_page;
mod field;
mod form;
mod input;
mod page;
mod random;
mod site;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::client::NexusClient;
use crate::error::{ErrorKind, NexusError, Result};
use crate::loopback::{Limits, Server};
use crate::wait::WaitOptions;
use crate::wait::browser::BrowserWait;
use credential_page::CredentialPage;
use form::Form;
use random::random;
use site::Site;

const LIMITS: Limits = Limits {
    head: 16 * 1024,
    // Enough for a certificate with its key.
    body: 64 * 1024,
    request_time: Duration::from_secs(10),
    // Browsers open several connections, and use only some of them.
    connections: 64,
    grace: Duration::from_secs(1),
};

/// A loopback server to which the user's browser returns after consent (RFC 8252 section 7.3). Requires the feature
/// `consent`.
///
/// # Example
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
///
/// # Details
///
/// Pass its [`return_url`](Self::return_url) to [`RequestConnectionInput`](crate::RequestConnectionInput). The
/// returning browser shows "Connected to github. You can close this window.", with the provider's name, or "Not
/// connected" if the gateway's redirect says so. A wait with [`WaitOptions::consent`] then polls at once. The redirect proves nothing: only the gateway's status
/// ends the wait. The wait also keeps polling at its interval, because the browser usually does not return if the user
/// denies consent.
///
/// The URL contains 128 random bits. It accepts one return for the connection that the latest
/// [`wait_for_active`](NexusClient::wait_for_active) waits for. Before the first wait, it accepts one return for any
/// connection. A request to an unknown address changes nothing.
///
/// A browser has 10 s to send a request, with at most 16 KiB of headers and 64 KiB of form data. At most 64 connections
/// are open. A further connection closes the oldest connection that is not waiting for a response. One thread accepts
/// connections, and each connection has its own thread.
///
/// Dropping the listener closes the port. It blocks while responses are in progress, for about 1 s at most.
///
/// A gateway that restricts return URLs must allow `http://127.0.0.1` with any path, and with any port unless
/// [`bind_to`](Self::bind_to) chooses the port.
pub struct ConsentListener {
    return_url: String,
    site: Arc<Site>,
    _server: Server,
}

impl ConsentListener {
    /// Listens on 127.0.0.1, on a port that the system chooses. Does not block.
    ///
    /// # Errors
    ///
    /// `request_failed` if the system provides no port, thread or random bytes.
    ///
    /// # Example
    ///
    /// ```
    /// let listener = nexus_sdk::ConsentListener::bind()?;
    /// assert!(listener.return_url().starts_with("http://127.0.0.1:"));
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn bind() -> Result<Self> {
        Self::bind_to(0)
    }

    /// Listens on this port of 127.0.0.1, for gateways and firewalls that allow only certain ports. 0 means any free
    /// port. Does not block.
    ///
    /// # Errors
    ///
    /// `invalid_input` if the port is in use or requires more privileges. Also the errors of
    /// [`bind`](Self::bind).
    ///
    /// # Example
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
        let failed = |error: io::Error| cannot_listen(port, &error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
        let authority = match listener.local_addr().map_err(failed)?.port() {
            // Browsers omit the default port in the `Host` header.
            80 => "127.0.0.1".to_owned(),
            port => format!("127.0.0.1:{port}"),
        };
        let site = Arc::new(Site {
            authority,
            return_path: format!("/{}", random()?),
            returns: Arc::default(),
            forms: Mutex::default(),
        });
        let service = Arc::clone(&site);
        Ok(Self {
            return_url: site.origin() + &site.return_path,
            site,
            _server: Server::start(listener, LIMITS, service).map_err(failed)?,
        })
    }

    /// The address for [`RequestConnectionInput`](crate::RequestConnectionInput), such as
    /// `http://127.0.0.1:49152/6f0a..`.
    ///
    /// # Example
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

    /// Serves a form in which the user enters a credential, such as an API key, and returns the form's address. Use it
    /// for a provider that has no consent page. `state` comes from the response to
    /// [`request_connection`](NexusClient::request_connection).
    ///
    /// # Example
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
    ///
    /// # Details
    ///
    /// The form has a field for each of the `properties` in the provider's JSON Schema, with its title and description.
    /// It ignores references such as `$ref` and combinations such as `oneOf`. The browser hides what the user types into
    /// a field that [`CaptureSchema::is_secret`](crate::CaptureSchema::is_secret) calls secret, and a button shows it. No
    /// response contains the values of such fields. After an error, the page's script keeps them in the form, unless the
    /// gateway says that the provider refused them or that it no longer waits for them.
    ///
    /// The page names this program, the provider and the gateway's origin. This process sends the credential to the
    /// gateway. If the gateway refuses it, the page shows why, and the user can try again. Once the gateway accepts it,
    /// the page says "Connected to weather. You can close this window.", and a wait with [`WaitOptions::consent`] polls at once.
    ///
    /// The address works until the gateway has accepted a credential, the listener is dropped, or eight newer forms
    /// exist. If the form is sent twice at the same time, the gateway gets the second credential unless it has accepted
    /// the first.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Security
    ///
    /// The address contains 128 random bits. A program that knows the address can send the form with a credential of
    /// its own. Show the address only to the user. Do not log it, and do not pass it as a program argument, because all
    /// users of the computer can read arguments. Other sites cannot send the form from the user's browser, because the
    /// listener checks `Host` and `Origin`.
    ///
    /// After the listener is dropped, another program can listen on its port. The page's script therefore checks that
    /// the server is still this listener before it sends the form. It also replaces the form with a notice within a few
    /// seconds after the listener is dropped. If the listener does not respond, the page keeps what the user has
    /// entered, and the user can send it again. A browser without scripts does none of this.
    ///
    /// # Errors
    ///
    /// The errors of [`capture_schema`](NexusClient::capture_schema). `invalid_response` for a schema without
    /// `properties`. `request_failed` if the system provides no random bytes.
    pub fn credential_form(&self, client: &NexusClient, state: &str) -> Result<String> {
        let schema = client.capture_schema(state)?;
        let provider_name = schema.provider_name;
        let provider = provider_name.unwrap_or_else(|| "the provider".to_owned());
        let gateway = client.0.gateway.origin.clone();
        let form = Form::new(program(), provider, gateway, &schema.schema).ok_or_else(|| {
            let problem = "the schema of the provider's credential has no properties, so there is no form; ask the \
                           gateway's operator to correct it, or pass the credential to capture_credential";
            NexusError::new(ErrorKind::InvalidResponse, problem)
        })?;
        let path = format!("/{}", random()?);
        let address = format!("{}{path}", self.site.origin());
        self.site.add(CredentialPage::new(
            path,
            form,
            client,
            state,
            &self.site.returns,
        ));
        Ok(address)
    }
}

/// Omits the address, which is a secret.
impl fmt::Debug for ConsentListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentListener").finish_non_exhaustive()
    }
}

impl WaitOptions<'_> {
    /// Polls at once when the user's browser returns to this listener, or when the gateway accepts a credential from
    /// the listener's form. Default: no listener. Requires the feature `consent`.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{ConsentListener, WaitOptions};
    /// use std::time::Duration;
    ///
    /// let listener = ConsentListener::bind()?;
    /// // With a listener, a poll follows the browser's return at once, even if the interval is long.
    /// let options = WaitOptions::default().interval(Duration::from_secs(5)).consent(&listener);
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn consent(mut self, listener: &ConsentListener) -> Self {
        self.browser = Some(BrowserWait::new(Arc::clone(&listener.site.returns)));
        self
    }
}

/// The name by which the user knows this program: its file name without an extension.
fn program() -> String {
    let path = std::env::current_exe().ok();
    let stem = path.as_deref().and_then(Path::file_stem);
    let name = stem.map(|stem| stem.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "the program".to_owned())
}

fn cannot_listen(port: u16, error: &io::Error) -> NexusError {
    use io::ErrorKind::{AddrInUse, PermissionDenied};
    if port != 0 && matches!(error.kind(), AddrInUse | PermissionDenied) {
        let problem = format!(
            "cannot listen on 127.0.0.1:{port} ({error}); choose another port, or 0 for any free port"
        );
        return NexusError::invalid_input("port", problem);
    }
    let problem =
        format!("cannot listen on 127.0.0.1 for the user's browser: {error}; try again later");
    NexusError::new(ErrorKind::RequestFailed, problem)
}
