//! The place of a failure.

/// The place of a failure, from [`NexusError::origin`](super::NexusError::origin).
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, Origin};
///
/// let error = NexusClient::new(NexusClientOptions::new("no scheme")).unwrap_err();
/// assert_eq!(error.origin(), Origin::Local);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// This program or this machine. The failed request was not sent.
    Local,
    /// The gateway, or the network on the way to it. In a fetch, the token could not be had.
    Gateway,
    /// The API that a fetch is for, or the network on the way to it.
    Api,
}
