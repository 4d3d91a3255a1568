//! What has become of a connection.

use std::fmt;

use crate::error::Result;
use crate::json::{self, Object};

/// What has become of a connection. Compares with text: `status == "active"`.
///
/// ```
/// use nexus_sdk::ConnectionStatus;
///
/// assert!(ConnectionStatus::Active == "active");
/// assert_eq!("active", ConnectionStatus::Active);
/// assert_eq!(ConnectionStatus::from("superseded"), ConnectionStatus::Superseded);
/// assert_eq!(ConnectionStatus::from("archived").as_str(), "archived");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionStatus {
    /// Usable.
    Active,
    /// Waits for the user's consent; gateways also say so while their broker is out of reach.
    Pending,
    /// The gateway has no token for it. Gateways say so from the first moment on, until the user has
    /// consented; [`wait_for_active`](crate::NexusClient::wait_for_active) asks what is behind it.
    Failed,
    /// The provider has refused to renew its token: the user has to connect again.
    Attention,
    /// Ran out, with no way to renew it: the user has to connect again.
    Expired,
    /// Revoked, by the user or the workspace.
    Revoked,
    /// A newer connection has taken its place.
    Superseded,
    /// A status that this version does not know.
    Other(String),
}

impl ConnectionStatus {
    /// The status as the gateway writes it.
    ///
    /// ```
    /// assert_eq!(nexus_sdk::ConnectionStatus::Pending.as_str(), "pending");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Attention => "attention",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
            Self::Other(status) => status,
        }
    }

    /// Whether waiting will not change it: every known status but `pending`.
    ///
    /// ```
    /// use nexus_sdk::ConnectionStatus;
    ///
    /// assert!(ConnectionStatus::Revoked.is_terminal());
    /// assert!(!ConnectionStatus::Pending.is_terminal());
    /// assert!(!ConnectionStatus::from("archived").is_terminal());
    /// ```
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        !matches!(self, Self::Pending | Self::Other(_))
    }

    pub(crate) fn from_response(response: &Object) -> Result<Self> {
        let status = json::required(response, &["status"])?;
        Ok(Self::from(status.as_str()))
    }
}

impl From<&str> for ConnectionStatus {
    fn from(status: &str) -> Self {
        match status {
            "active" => Self::Active,
            "pending" => Self::Pending,
            "failed" => Self::Failed,
            "attention" => Self::Attention,
            "expired" => Self::Expired,
            "revoked" => Self::Revoked,
            "superseded" => Self::Superseded,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for ConnectionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<str> for ConnectionStatus {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for ConnectionStatus {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<ConnectionStatus> for str {
    fn eq(&self, other: &ConnectionStatus) -> bool {
        other == self
    }
}

impl PartialEq<ConnectionStatus> for &str {
    fn eq(&self, other: &ConnectionStatus) -> bool {
        other == self
    }
}
