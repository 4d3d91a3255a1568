//! The providers of a gateway, and its health.

use std::{slice, vec};

use serde_json::Value;

use crate::error::Result;
use crate::json::{self, Object};

/// The providers that a gateway knows.
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let providers = client.providers()?;
/// assert_eq!(providers.get("github").unwrap().auth_type, "oauth2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Providers {
    /// The providers. A name may occur with several auth types.
    pub all: Vec<ProviderInfo>,
}

/// One provider. A field that the gateway leaves out is `None`.
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// for provider in &client.providers()?.all {
///     println!("{} ({}): {:?}", provider.name, provider.auth_type, provider.description);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderInfo {
    /// The provider's name, for `request_connection` and `resolve_token`.
    pub name: String,
    /// The kind of its credentials, such as `oauth2` or `api_key`.
    pub auth_type: String,
    /// The provider's id.
    pub id: Option<String>,
    /// The base URL of the provider's API.
    pub api_base_url: Option<String>,
    /// The URL that returns the user's profile, or only its path, such as `/user`.
    pub user_info_endpoint: Option<String>,
    /// The scopes that the gateway's operator has listed for the provider.
    pub scopes: Option<Vec<String>>,
    /// A description of the provider.
    pub description: Option<String>,
    /// The provider's category, such as `development`.
    pub category: Option<String>,
}

impl Providers {
    /// Parses the JSON of a gateway's response, for example in a mock.
    ///
    /// # Errors
    ///
    /// `invalid_response` for JSON that the client would reject as well.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{Providers, serde_json::json};
    ///
    /// let response = json!({"oauth2": {"github": {"scopes": ["repo"]}}});
    /// assert_eq!(Providers::from_json(response)?.all[0].name, "github");
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn from_json(response: Value) -> Result<Self> {
        let providers = json::into_object(response)?;
        let nothing = Object::new();
        let mut all = Vec::new();
        for (auth_type, names) in &providers {
            for (name, leaf) in names.as_object().into_iter().flatten() {
                let fields = leaf.as_object().unwrap_or(&nothing);
                all.push(ProviderInfo {
                    name: name.clone(),
                    auth_type: auth_type.clone(),
                    id: json::filled(fields, "id"),
                    api_base_url: json::filled(fields, "api_base_url"),
                    user_info_endpoint: json::filled(fields, "user_info_endpoint"),
                    scopes: json::strings(fields, "scopes"),
                    description: json::filled(fields, "description"),
                    category: json::filled(fields, "category"),
                });
            }
        }
        Ok(Self { all })
    }

    /// Iterates over all providers.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{Providers, serde_json::json};
    ///
    /// let providers = Providers::from_json(json!({"oauth2": {"github": {}}}))?;
    /// assert_eq!(providers.iter().count(), 1);
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn iter(&self) -> slice::Iter<'_, ProviderInfo> {
        self.all.iter()
    }

    /// Returns the first provider with this name.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// assert!(client.providers()?.get("nobody").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ProviderInfo> {
        self.all.iter().find(|provider| provider.name == name)
    }
}

/// Iterates over all providers.
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// for provider in &client.providers()? {
///     println!("{}", provider.name);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<'a> IntoIterator for &'a Providers {
    type Item = &'a ProviderInfo;
    type IntoIter = slice::Iter<'a, ProviderInfo>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Iterates over all providers, and gives them away.
///
/// # Example
///
/// ```
/// use nexus_sdk::{Providers, serde_json::json};
///
/// let providers = Providers::from_json(json!({"oauth2": {"github": {}}}))?;
/// let names: Vec<_> = providers.into_iter().map(|provider| provider.name).collect();
/// assert_eq!(names, ["github"]);
/// # Ok::<(), nexus_sdk::NexusError>(())
/// ```
impl IntoIterator for Providers {
    type Item = ProviderInfo;
    type IntoIter = vec::IntoIter<ProviderInfo>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

/// The health of a gateway.
///
/// # Example
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
    /// The status, normally `healthy`. Gateway 0.4 reports `healthy` even if its broker is down.
    pub status: String,
    /// The gateway's version, if it states one.
    pub version: Option<String>,
}

impl Health {
    /// Parses the JSON of a gateway's response, for example in a mock.
    ///
    /// # Errors
    ///
    /// `invalid_response` for JSON that the client would reject as well.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{Health, serde_json::json};
    ///
    /// let response = json!({"status": "healthy"});
    /// assert_eq!(Health::from_json(response)?.status, "healthy");
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn from_json(response: Value) -> Result<Self> {
        let fields = json::into_object(response)?;
        Ok(Self {
            status: json::required(&fields, &["status"])?,
            version: json::filled(&fields, "version"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn any_leaf_of_the_providers_may_be_missing() {
        let providers = Providers::from_json(json!({
            "oauth2": {
                "z": {"id": "1", "api_base_url": "u", "user_info_endpoint": "e", "scopes": ["a", 1, "b"],
                    "description": "d", "category": "c"},
                "b": {"id": 2, "scopes": null, "description": ""},
            },
            "api_key": {"z": null, "a": []},
            "saml": null,
            "list": [{}],
        }))
        .unwrap();
        let names = providers.all.iter().map(|p| (&*p.auth_type, &*p.name));
        let (keys, oauth) = ("api_key", "oauth2");
        let expected = [(keys, "a"), (keys, "z"), (oauth, "b"), (oauth, "z")];
        assert_eq!(names.collect::<Vec<_>>(), expected);
        let first = providers.get("z").unwrap();
        assert_eq!(first.auth_type, keys);
        assert_eq!(providers.get("b").unwrap().id.as_deref(), Some("2"));
        for name in ["a", "b"] {
            let provider = providers.get(name).unwrap();
            assert!(provider.scopes.is_none() && provider.description.is_none());
        }
        let full = providers.all.last().unwrap();
        assert_eq!(full.scopes.as_deref().unwrap(), ["a", "b"]);
        assert_eq!(full.user_info_endpoint.as_deref(), Some("e"));
        assert!(Providers::from_json(json!({})).unwrap().all.is_empty());
    }

    #[test]
    fn health_has_a_status() {
        for (version, expected) in [(json!(2), Some("2")), (json!(null), None)] {
            let response = json!({"status": "degraded", "version": version});
            let health = Health::from_json(response).unwrap();
            let found = (&*health.status, health.version.as_deref());
            assert_eq!(found, ("degraded", expected));
        }
        for odd in [json!({"status": null}), json!([{"status": "healthy"}])] {
            let error = Health::from_json(odd).unwrap_err();
            assert_eq!(error.code(), "invalid_response");
        }
    }
}
