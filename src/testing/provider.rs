//! Providers: services whose credentials the gateway stores.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::encoding::unguessable;
use crate::log::debug_only;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    OAuth2,
    ApiKey,
    Basic,
}

/// A provider of a [`DevGateway`](super::DevGateway).
///
/// `Debug` shows only the name and the kind.
///
/// # Example
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
#[must_use]
pub struct Provider {
    pub(super) name: String,
    kind: Kind,
    pub(super) strategy: Value,
    credentials: Map<String, Value>,
    pub(super) rotating: bool,
    pub(super) refresh_time: Duration,
    pub(super) revocation_time: Duration,
}

impl Provider {
    /// The built-in providers of every `DevGateway`: `github` ([`oauth2`](Self::oauth2)), `weather`
    /// ([`api_key`](Self::api_key)) and `registry` ([`basic`](Self::basic)).
    ///
    /// # Example
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

    /// Creates a provider of access tokens that expire and are refreshed, with the strategy `oauth2`.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::{DevGateway, Provider};
    ///
    /// let gateway = DevGateway::builder().provider(Provider::oauth2("gitlab")).start()?;
    /// assert!(gateway.connect("ws", "gitlab").is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn oauth2(name: impl Into<String>) -> Self {
        Self::new(name.into(), Kind::OAuth2, json!({"type": "oauth2"}))
    }

    /// Creates a provider of static keys. The credential has the field `api_key`, and the strategy is `header` with the
    /// header `X-API-Key`.
    ///
    /// # Example
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

    /// Creates a provider that uses Basic authentication, with the strategy `basic_auth`. The credential has the fields
    /// `username` and `password`. A generated user name is always `user`.
    ///
    /// # Example
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

    /// Replaces the strategy in the gateway's responses. Default: see the provider's constructor.
    ///
    /// The sample upstream accepts `oauth2`, `header`, `basic_auth`, `query_param` and `path`, and with the feature
    /// `signing` also `hmac_payload` and `aws_sigv4`. It responds with 401 to any other strategy. `null` means
    /// `oauth2`.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::{DevGateway, Provider};
    /// use nexus_sdk::{NexusClient, NexusClientOptions};
    /// use serde_json::json;
    ///
    /// let legacy = Provider::api_key("legacy").strategy(json!({"type": "saml"}));
    /// let gateway = DevGateway::builder().provider(legacy).connection("ws", "legacy").start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let error = client.resolve_token("ws", "legacy").unwrap_err();
    /// assert_eq!(error.code(), "unsupported_strategy");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn strategy(mut self, strategy: Value) -> Self {
        self.strategy = strategy;
        self
    }

    /// Sets the first credentials of every connection of this provider, unless a user enters them. Default: random
    /// credentials.
    ///
    /// For a static provider, they replace the generated credentials. For an OAuth 2 provider, they are added to the
    /// generated fields, and replace fields of the same names. A refresh replaces the tokens among them and keeps the
    /// other fields. An `expires_at` among them does not change the real expiry of the token.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions};
    /// use nexus_sdk::testing::{DevGateway, Provider};
    /// use serde_json::{Map, json};
    ///
    /// let fixed = Map::from_iter([("api_key".to_owned(), json!("k-123"))]);
    /// let maps = Provider::api_key("maps").credentials(fixed);
    /// let gateway = DevGateway::builder().provider(maps).connection("ws", "maps").start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// assert_eq!(client.resolve_token("ws", "maps")?.access_token, "k-123");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn credentials(mut self, credentials: Map<String, Value>) -> Self {
        self.credentials = credentials;
        self
    }

    /// Sets whether every refresh replaces the refresh token, as RFC 9700 section 4.14.2 describes. Default `true`.
    ///
    /// Such a provider ends the grant when a refresh token is used twice, because the token might be stolen. If two
    /// calls refresh at the same time, or a caller hangs up during a refresh, the connection stops working and the user
    /// must consent again. With `false`, a refresh keeps the refresh token, and earlier access tokens work until they
    /// expire.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::{DevGateway, Provider};
    ///
    /// let github = Provider::oauth2("github").rotating(false);
    /// let gateway = DevGateway::builder().provider(github).connection("ws", "github").start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn rotating(mut self, rotating: bool) -> Self {
        self.rotating = rotating;
        self
    }

    /// The time that the provider takes to respond to a refresh during a call. Default 0. The gateway's response is
    /// delayed by this time. After 30 s, the gateway gives up with 502 `broker_unavailable`.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::{DevGateway, Provider};
    /// use std::time::Duration;
    ///
    /// let slow = Provider::oauth2("github").refresh_time(Duration::from_millis(300));
    /// let gateway = DevGateway::builder().provider(slow).connection("ws", "github").start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn refresh_time(mut self, time: Duration) -> Self {
        self.refresh_time = time;
        self
    }

    /// The time that an OAuth 2 provider takes to respond to a revocation. Default 0. The gateway's response to `DELETE
    /// /v1/connections/{id}` is delayed by this time.
    ///
    /// The upstream refuses the token from the start of that time, as the provider has ended the grant. The gateway
    /// records the revocation only at its end. Until then, the connection is active, and resolve returns the refused
    /// token.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::{DevGateway, Provider};
    /// use std::time::Duration;
    ///
    /// let slow = Provider::oauth2("github").revocation_time(Duration::from_millis(300));
    /// let gateway = DevGateway::builder().provider(slow).connection("ws", "github").start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn revocation_time(mut self, time: Duration) -> Self {
        self.revocation_time = time;
        self
    }

    fn new(name: String, kind: Kind, strategy: Value) -> Self {
        Self {
            name,
            kind,
            strategy,
            credentials: Map::new(),
            rotating: true,
            refresh_time: Duration::ZERO,
            revocation_time: Duration::ZERO,
        }
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

    pub(super) fn has_tokens(&self) -> bool {
        self.kind == Kind::OAuth2
    }

    /// Returns the fields of the form for a credential, and whether each field is secret.
    pub(super) fn form(&self) -> Vec<(String, bool)> {
        let fields = self.issue(&[], false);
        let field = |name: &String| (name.clone(), self.is_secret(name));
        fields.keys().map(field).collect()
    }

    /// Returns whether a user may leave a field empty. Only the password of `basic` may be empty.
    pub(super) fn may_be_empty(&self, field: &str) -> bool {
        self.kind == Kind::Basic && field == self.config("password_field", "password")
    }

    /// Returns the scopes of a connection that was requested without scopes.
    pub(super) fn scopes(&self) -> Vec<String> {
        let scopes = ["repo", "user"].iter().filter(|_| self.has_tokens());
        scopes.map(|scope| (*scope).to_owned()).collect()
    }

    /// Issues a credential. With `renewed`, the secrets from [`Self::credentials`] are replaced too, because they
    /// belong to the first credential only.
    pub(super) fn issue(&self, scopes: &[String], renewed: bool) -> Map<String, Value> {
        let mut issued = if self.credentials.is_empty() || self.has_tokens() {
            self.generated(scopes)
        } else {
            Map::new()
        };
        issued.extend(self.credentials.clone());
        if renewed {
            self.renew(&mut issued);
        }
        issued
    }

    fn generated(&self, scopes: &[String]) -> Map<String, Value> {
        let has_id_token = self.has_tokens() && scopes.iter().any(|scope| scope == "openid");
        let mut pairs = match self.kind {
            Kind::OAuth2 => vec![
                ("access_token", unguessable()),
                ("token_type", "Bearer".into()),
                ("refresh_token", unguessable()),
                ("scope", scopes.join(" ")),
            ],
            Kind::ApiKey => vec![(self.config("credential_field", "api_key"), unguessable())],
            Kind::Basic => vec![
                (self.config("username_field", "username"), "user".into()),
                (self.config("password_field", "password"), unguessable()),
            ],
        };
        pairs.extend(has_id_token.then(|| ("id_token", unguessable())));
        let named = |(name, value): (&str, String)| (name.to_owned(), value.into());
        pairs.into_iter().map(named).collect()
    }

    /// Returns a setting of the strategy, or the default. An explicit `""` counts as a setting.
    pub(super) fn config<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        let config = self.strategy.get("config");
        let given = config.and_then(|config| config.get(name)?.as_str());
        given.unwrap_or(default)
    }

    /// Replaces the secret fields with random strings.
    pub(super) fn renew(&self, issued: &mut Map<String, Value>) {
        for (name, value) in issued.iter_mut() {
            if value.is_string() && self.is_secret(name) {
                *value = unguessable().into();
            }
        }
    }

    fn is_secret(&self, name: &str) -> bool {
        match self.kind {
            Kind::OAuth2 => matches!(name, "access_token" | "refresh_token" | "id_token"),
            _ => name != self.config("username_field", "username"),
        }
    }
}

debug_only!(Provider: name, kind);

pub(super) fn defaults() -> [Provider; 3] {
    let [github, weather, registry] = Provider::DEFAULTS;
    [
        Provider::oauth2(github),
        Provider::api_key(weather),
        Provider::basic(registry),
    ]
}
