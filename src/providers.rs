//! The providers that a gateway knows.

use crate::json::{self, Object};

/// The providers that a gateway knows.
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
    /// All of them, ordered by auth type and name. A name may occur with several auth types.
    pub all: Vec<ProviderInfo>,
}

/// One provider; what the gateway does not say is `None`.
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
    /// Its name, for `request_connection` and `resolve_token`.
    pub name: String,
    /// The kind of its credentials, such as `oauth2` or `api_key`.
    pub auth_type: String,
    /// Its id.
    pub id: Option<String>,
    /// Where its API begins.
    pub api_base_url: Option<String>,
    /// Where it says who the user is.
    pub user_info_endpoint: Option<String>,
    /// The scopes that it knows.
    pub scopes: Option<Vec<String>>,
    /// What it is.
    pub description: Option<String>,
    /// What it is for.
    pub category: Option<String>,
}

impl Providers {
    pub(crate) fn from_response(response: &Object) -> Self {
        let mut all = Vec::new();
        for (auth_type, names) in response {
            for (name, leaf) in names.as_object().into_iter().flatten() {
                let nothing = Object::new();
                let leaf = leaf.as_object().unwrap_or(&nothing);
                all.push(ProviderInfo::from_leaf(auth_type, name, leaf));
            }
        }
        all.sort_unstable_by(|a, b| (&a.auth_type, &a.name).cmp(&(&b.auth_type, &b.name)));
        Self { all }
    }

    /// The first provider of this name.
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

impl ProviderInfo {
    fn from_leaf(auth_type: &str, name: &str, leaf: &Object) -> Self {
        Self {
            name: name.to_owned(),
            auth_type: auth_type.to_owned(),
            id: json::filled(leaf, "id"),
            api_base_url: json::filled(leaf, "api_base_url"),
            user_info_endpoint: json::filled(leaf, "user_info_endpoint"),
            scopes: json::strings(leaf, "scopes"),
            description: json::filled(leaf, "description"),
            category: json::filled(leaf, "category"),
        }
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
    fn any_leaf_of_the_providers_may_be_missing() {
        let providers = Providers::from_response(&object(json!({
            "oauth2": {
                "z": {"id": "1", "api_base_url": "u", "user_info_endpoint": "e", "scopes": ["a", 1, "b"],
                    "description": "d", "category": "c"},
                "b": {"id": 2, "scopes": null, "description": ""},
            },
            "api_key": {"z": null, "a": "text", "m": []},
            "saml": null,
            "note": "text",
            "list": [{}],
        })));
        let names: Vec<_> = providers
            .all
            .iter()
            .map(|p| (&*p.auth_type, &*p.name))
            .collect();
        let expected = [
            ("api_key", "a"),
            ("api_key", "m"),
            ("api_key", "z"),
            ("oauth2", "b"),
            ("oauth2", "z"),
        ];
        assert_eq!(names, expected);
        assert_eq!(
            providers.get("z").unwrap().auth_type,
            "api_key",
            "the first"
        );
        assert_eq!(providers.get("b").unwrap().id.as_deref(), Some("2"));
        for name in ["a", "m", "b"] {
            let provider = providers.get(name).unwrap();
            assert_eq!(
                (&provider.scopes, &provider.description, &provider.category),
                (&None, &None, &None)
            );
        }
        let full = providers.all.last().unwrap();
        assert_eq!(full.scopes.as_deref().unwrap(), ["a", "b"]);
        assert_eq!(full.user_info_endpoint.as_deref(), Some("e"));
        assert!(Providers::from_response(&Object::new()).all.is_empty());
    }
}
