//! Providers: the services whose credentials the gateway hands out.

use std::fmt;

use serde_json::{Map, Value, json};

use super::encoding::unguessable;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    OAuth2,
    ApiKey,
    Basic,
}

/// A provider of a [`DevGateway`](super::DevGateway).
///
/// `Debug` shows the name and the kind, never credentials.
///
/// ```
/// use nexus_sdk::testing::{DevGateway, Provider};
/// use serde_json::json;
///
/// let maps = Provider::api_key("maps")
///     .strategy(json!({"type": "query_param", "config": {"param_name": "key"}}));
/// let gateway = DevGateway::builder().provider(maps).connection("ws", "maps").start()?;
///
/// let url = format!("{}/v1/resolve?workspace_id=ws&provider_name=maps", gateway.url());
/// let text = ureq::get(url).call()?.body_mut().read_to_string()?;
/// let token: serde_json::Value = serde_json::from_str(&text)?;
/// let key = token["credentials"]["api_key"].as_str().unwrap_or_default();
///
/// let user = ureq::get(format!("{}/user", gateway.url())).query("key", key).call()?;
/// assert_eq!(user.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Provider {
    name: String,
    kind: Kind,
    strategy: Value,
    credentials: Map<String, Value>,
}

impl Provider {
    /// The names of the providers that every gateway has: `github` ([`oauth2`](Self::oauth2)), `weather`
    /// ([`api_key`](Self::api_key)) and `registry` ([`basic`](Self::basic)).
    ///
    /// ```
    /// use nexus_sdk::testing::{DevGateway, Provider};
    ///
    /// let gateway = DevGateway::start()?;
    /// for name in Provider::DEFAULTS {
    ///     assert!(gateway.connect("workspace-1", name).is_ok());
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const DEFAULTS: [&str; 3] = ["github", "weather", "registry"];

    /// A provider of access tokens, which expire and are refreshed; strategy `oauth2`.
    ///
    /// ```
    /// use nexus_sdk::testing::Provider;
    ///
    /// assert!(format!("{:?}", Provider::oauth2("gitlab")).contains("gitlab"));
    /// ```
    pub fn oauth2(name: impl Into<String>) -> Self {
        Self::new(name.into(), Kind::OAuth2, json!({"type": "oauth2"}))
    }

    /// A provider of static keys in the credential `api_key`; strategy `header`, sent as `X-API-Key`.
    ///
    /// ```
    /// use nexus_sdk::testing::{DevGateway, Provider};
    ///
    /// let gateway = DevGateway::builder().provider(Provider::api_key("maps")).start()?;
    /// assert!(gateway.connect("ws", "maps").is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn api_key(name: impl Into<String>) -> Self {
        let config = json!({"header_name": "X-API-Key", "credential_field": "api_key"});
        let strategy = json!({"type": "header", "config": config});
        Self::new(name.into(), Kind::ApiKey, strategy)
    }

    /// A provider of static pairs in the credentials `username` (which is `user`) and `password`; strategy
    /// `basic_auth`.
    ///
    /// ```
    /// use nexus_sdk::testing::{DevGateway, Provider};
    ///
    /// let gateway = DevGateway::builder().provider(Provider::basic("mail")).start()?;
    /// assert!(gateway.connect("ws", "mail").is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn basic(name: impl Into<String>) -> Self {
        Self::new(name.into(), Kind::Basic, json!({"type": "basic_auth"}))
    }

    /// The strategy to serve in place of the usual one, exactly as given.
    ///
    /// The sample upstream understands `oauth2`, `header`, `basic_auth`, `query_param` and `path`; it answers 401 to
    /// anything else. `null` serves no strategy at all, which means `oauth2`.
    ///
    /// ```
    /// use nexus_sdk::testing::Provider;
    /// use serde_json::json;
    ///
    /// let provider = Provider::api_key("legacy").strategy(json!({"type": "saml"}));
    /// # let _ = provider;
    /// ```
    #[must_use]
    pub fn strategy(mut self, strategy: Value) -> Self {
        self.strategy = strategy;
        self
    }

    /// Credentials to serve exactly as given, to every connection of this provider, until they are rotated.
    ///
    /// They stand in for the generated ones of a static provider, and are laid over those of an OAuth 2 provider (an
    /// `expires_at` set here changes what is said, not when the token really expires).
    ///
    /// ```
    /// use nexus_sdk::testing::Provider;
    /// use serde_json::{Map, json};
    ///
    /// let fixed = Map::from_iter([("api_key".to_owned(), json!("k-123"))]);
    /// let provider = Provider::api_key("maps").credentials(fixed);
    /// assert!(!format!("{provider:?}").contains("k-123"));
    /// ```
    #[must_use]
    pub fn credentials(mut self, credentials: Map<String, Value>) -> Self {
        self.credentials = credentials;
        self
    }

    fn new(name: String, kind: Kind, strategy: Value) -> Self {
        Self {
            name,
            kind,
            strategy,
            credentials: Map::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn id(&self) -> String {
        format!("provider-{}", self.name)
    }

    pub(super) fn auth_type(&self) -> &'static str {
        match self.kind {
            Kind::OAuth2 => "oauth2",
            Kind::ApiKey => "api_key",
            Kind::Basic => "basic_auth",
        }
    }

    /// The fields that a user enters, and which of them are secret.
    pub(super) fn form(&self) -> Vec<(String, bool)> {
        let fields = self.issue(false);
        let field = |name: &String| (name.clone(), self.is_secret(name));
        fields.keys().map(field).collect()
    }

    /// Basic allows an empty password, and no other field is allowed to be.
    pub(super) fn may_be_empty(&self, field: &str) -> bool {
        self.kind == Kind::Basic && field == self.config("password_field", "password")
    }

    pub(super) fn serves_tokens(&self) -> bool {
        self.kind == Kind::OAuth2
    }

    pub(super) fn served_strategy(&self) -> &Value {
        &self.strategy
    }

    /// The credentials of a connection. `renewed`: they replace some that were handed out before.
    pub(super) fn issue(&self, renewed: bool) -> Map<String, Value> {
        let mut issued = if self.credentials.is_empty() || self.serves_tokens() {
            self.generated()
        } else {
            Map::new()
        };
        issued.extend(self.credentials.clone());
        if renewed {
            self.renew(&mut issued);
        }
        issued
    }

    fn generated(&self) -> Map<String, Value> {
        let pairs = match self.kind {
            Kind::OAuth2 => vec![
                ("access_token", unguessable()),
                ("token_type", "Bearer".into()),
            ],
            Kind::ApiKey => vec![(self.config("credential_field", "api_key"), unguessable())],
            Kind::Basic => vec![
                (self.config("username_field", "username"), "user".into()),
                (self.config("password_field", "password"), unguessable()),
            ],
        };
        let entry = |(name, value): (&str, String)| (name.to_owned(), value.into());
        pairs.into_iter().map(entry).collect()
    }

    /// A setting of the strategy; an explicit `""` is one, too.
    pub(super) fn config<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        let config = self.strategy.get("config");
        let given = config.and_then(|config| config.get(name)?.as_str());
        given.unwrap_or(default)
    }

    /// New values in the place of the secret ones.
    pub(super) fn renew(&self, issued: &mut Map<String, Value>) {
        for (name, value) in issued.iter_mut() {
            if value.is_string() && self.is_secret(name) {
                *value = unguessable().into();
            }
        }
    }

    fn is_secret(&self, name: &str) -> bool {
        match self.kind {
            Kind::OAuth2 => name == "access_token",
            _ => name != self.config("username_field", "username"),
        }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What every gateway starts with.
pub(super) fn defaults() -> [Provider; 3] {
    let [github, weather, registry] = Provider::DEFAULTS;
    [
        Provider::oauth2(github),
        Provider::api_key(weather),
        Provider::basic(registry),
    ]
}
