//! The report on an attempt to reach the gateway, for the program's own metrics and for the log.

use std::sync::Arc;
use std::time::Duration;

use crate::error::NexusError;

/// An attempt to reach the gateway, for [`NexusClientOptions::on_call`](crate::NexusClientOptions::on_call).
///
/// No field contains a token, a key or a request's body.
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// gateway.connect("acme", "github")?;
/// let options = NexusClientOptions::new(gateway.url()).on_call(|call| {
///     assert_eq!((call.operation, call.workspace_id), ("resolve", Some("acme")));
///     assert!(call.attempt == 1 && call.error.is_none());
/// });
/// NexusClient::new(options)?.resolve_token("acme", "github")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct GatewayCall<'a> {
    /// The request: `resolve` (a token by workspace and provider), `token` (a token by connection id), `refresh`,
    /// `check_connection`, `request_connection`, `revoke`, `providers`, `health`, `capture_schema`,
    /// `capture_credential`, `request_agent_session`, `get_agent_session` or `close_agent_session`.
    pub operation: &'static str,
    /// The workspace, if the call names it, or if this client has requested the connection.
    pub workspace_id: Option<&'a str>,
    /// The provider, under the same conditions.
    pub provider: Option<&'a str>,
    /// The id of the connection, for a call by id.
    pub connection_id: Option<&'a str>,
    /// The number of the attempt, from 1. Retries have higher numbers.
    pub attempt: u32,
    /// The time from the start of the request to the end of its response or to its failure. The wait for the lock that
    /// processes share is not part of it.
    pub duration: Duration,
    /// The error of the attempt, or `None` if it succeeded.
    pub error: Option<&'a NexusError>,
}

/// The program's function for [`GatewayCall`]s.
pub(crate) type OnCall = Arc<dyn Fn(&GatewayCall<'_>) + Send + Sync>;
