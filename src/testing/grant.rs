//! Credentials, and the grant at the provider that they come from.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::clock;
use super::provider::Provider;

/// A credential that the provider has issued, or that a user has entered.
#[derive(Clone)]
pub(super) struct Credential {
    pub(super) fields: Map<String, Value>,
    /// Milliseconds since 1970. `None` for static credentials, which do not expire.
    pub(super) expires: Option<u64>,
}

impl Credential {
    pub(super) fn works_at(&self, now: u64) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }
}

/// The provider has refused a refresh token that is unknown, used or revoked.
pub(super) struct Refused;

/// A user's grant at the provider, with the credentials that the upstream accepts.
pub(super) struct Grant {
    provider: Arc<Provider>,
    scopes: Vec<String>,
    lifetime: Duration,
    accepted: Vec<Credential>,
    /// The only refresh token that the provider accepts.
    refresh_token: Option<String>,
    ended: bool,
}

impl Grant {
    pub(super) fn new(provider: Arc<Provider>, scopes: Vec<String>, lifetime: Duration) -> Self {
        Self {
            provider,
            scopes,
            lifetime,
            accepted: Vec::new(),
            refresh_token: None,
            ended: false,
        }
    }

    /// Replaces all credentials with the credential that a user has entered.
    pub(super) fn capture(&mut self, fields: Map<String, Value>) -> Credential {
        let credential = Credential {
            fields,
            expires: None,
        };
        self.accepted = vec![credential.clone()];
        credential
    }

    /// Exchanges a refresh token for the next token. A refresh token that the provider no longer accepts might be
    /// stolen, so the grant ends (RFC 9700 section 4.14.2).
    pub(super) fn refresh(&mut self, token: &str, now: u64) -> Result<Credential, Refused> {
        if self.ended || self.refresh_token.as_deref() != Some(token) {
            self.end();
            return Err(Refused);
        }
        if self.provider.rotating {
            self.accepted.clear();
        }
        let mut next = self.issue(now, true);
        if !self.provider.rotating {
            next.fields.insert("refresh_token".into(), token.into());
            self.refresh_token = Some(token.to_owned());
        }
        Ok(next)
    }

    /// Issues a new credential, so that the upstream refuses all earlier credentials.
    pub(super) fn replace(&mut self, held: &Credential, now: u64) -> Credential {
        self.accepted.clear();
        if self.provider.has_tokens() {
            return self.issue(now, true);
        }
        let mut fields = held.fields.clone();
        self.provider.renew(&mut fields);
        self.capture(fields)
    }

    /// Returns whether the user has granted this scope. A static credential has no scopes, and so allows all.
    pub(super) fn allows(&self, scope: &String) -> bool {
        !self.provider.has_tokens() || self.scopes.contains(scope)
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
        self.accepted.clear();
    }

    /// Returns the credentials that the upstream accepts at this time.
    pub(super) fn accepted(&self, now: u64) -> impl Iterator<Item = &Map<String, Value>> {
        let ended = self.ended;
        let all = self.accepted.iter();
        let working = all.filter(move |held| !ended && held.works_at(now));
        working.map(|held| &held.fields)
    }

    /// Issues a credential. The first one, which is not `renewed`, may have fields set with `Provider::credentials`.
    pub(super) fn issue(&mut self, now: u64, renewed: bool) -> Credential {
        let mut fields = self.provider.issue(&self.scopes, renewed);
        let end = clock::after(now, self.lifetime);
        let expires = self.provider.has_tokens().then_some(end);
        if expires.is_some() {
            let expires_at = fields.entry("expires_at");
            expires_at.or_insert_with(|| clock::rfc3339(end).into());
            let lifetime = self.lifetime.as_secs();
            fields.entry("expires_in").or_insert(lifetime.into());
        }
        let issued = Credential { fields, expires };
        self.refresh_token = issued.text("refresh_token").map(str::to_owned);
        self.accepted.retain(|held| held.works_at(now));
        self.accepted.push(issued.clone());
        issued
    }
}
