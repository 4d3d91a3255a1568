//! What the gateway says about itself.

use crate::error::Result;
use crate::json::{self, Object};

/// What [`NexusClient::health`](crate::NexusClient::health) says.
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// assert_eq!(client.health()?.status, "healthy");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// `healthy`, if all is well.
    pub status: String,
    /// The gateway's version, if it tells.
    pub version: Option<String>,
}

impl Health {
    pub(crate) fn from_response(response: &Object) -> Result<Self> {
        Ok(Self {
            status: json::required(response, &["status"])?,
            version: json::filled(response, "version"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn object(value: Value) -> Object {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn health_has_a_status() {
        let table = [
            (json!({"status": "healthy"}), Some(("healthy", None))),
            (
                json!({"status": "degraded", "version": "0.4"}),
                Some(("degraded", Some("0.4"))),
            ),
            (
                json!({"status": "healthy", "version": 2}),
                Some(("healthy", Some("2"))),
            ),
            (
                json!({"status": "healthy", "version": null}),
                Some(("healthy", None)),
            ),
            (json!({"status": null}), None),
            (json!({"status": ""}), None),
            (json!({}), None),
        ];
        for (response, expected) in table {
            let health = Health::from_response(&object(response));
            let found = health
                .as_ref()
                .map(|health| (&*health.status, health.version.as_deref()));
            match expected {
                Some(expected) => assert_eq!(found.unwrap(), expected),
                None => assert_eq!(found.unwrap_err().code(), "invalid_response"),
            }
        }
    }
}
