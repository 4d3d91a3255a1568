//! The creation of a client. Apart from the other methods, so that the documentation lists it first.

use super::NexusClient;
use crate::error::Result;
use crate::inner::{Handle, Inner};
use crate::options::NexusClientOptions;

impl NexusClient {
    /// Creates a client with these options. Sends nothing and does not block.
    ///
    /// Logs a warning if the URL is plain http to another machine, unless
    /// [`allow_insecure_http`](NexusClientOptions::allow_insecure_http) is set.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions};
    ///
    /// let client = NexusClient::new(NexusClientOptions::new("https://nexus.example.com"))?;
    /// assert!(NexusClient::new(NexusClientOptions::new("nexus.example.com")).is_err());
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `invalid_input`, which names the option or the environment variable:
    ///
    /// - a `gateway_url` that is not an absolute http or https URL, or has a user name, password, query
    ///   or fragment
    /// - an `api_key` that a header cannot carry
    /// - a `timeout` of zero
    /// - an `agent` with a SOCKS proxy of its own, in a build without the feature `socks-proxy`
    /// - a relative path for the lock files, in `lock_dir` or `NEXUS_LOCK_DIR`
    pub fn new(options: NexusClientOptions) -> Result<Self> {
        Ok(Self(Handle::new(Inner::new(options)?)))
    }
}
