//! The provider's side of a connection: what it has issued, and what it still takes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::clock;
use super::credential::Credential;
use super::provider::Provider;

/// A refresh token that is unknown, used up or withdrawn.
pub(super) struct Refused;

/// What a user has granted at the provider. It ends for good when a refresh token is used twice.
pub(super) struct Grant {
    provider: Arc<Provider>,
    scopes: Vec<String>,
    lifetime: Duration,
    accepted: Vec<Credential>,
    /// The only one that the provider takes.
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

    /// The credential that a consent brings.
    pub(super) fn first(&mut self, now: u64) -> Credential {
        self.issue(now, false)
    }

    /// The user's own credential, in place of a generated one.
    pub(super) fn capture(&mut self, fields: Map<String, Value>) -> Credential {
        let credential = Credential {
            fields,
            expires: None,
        };
        self.accepted = vec![credential.clone()];
        credential
    }

    /// The next token for a refresh token. One that was used before is taken for stolen, which ends the grant
    /// (RFC 9700 section 4.14.2).
    pub(super) fn refresh(&mut self, token: &str, now: u64) -> Result<Credential, Refused> {
        if self.ended || self.refresh_token.as_deref() != Some(token) {
            self.end();
            return Err(Refused);
        }
        if self.provider.rotates() {
            self.accepted.clear();
        }
        let mut next = self.issue(now, true);
        if !self.provider.rotates() {
            next.fields.insert("refresh_token".into(), token.into());
            self.refresh_token = Some(token.to_owned());
        }
        Ok(next)
    }

    /// A new credential, while those handed out before stop working.
    pub(super) fn replace(&mut self, held: &Credential, now: u64) -> Credential {
        self.accepted.clear();
        if self.provider.serves_tokens() {
            return self.issue(now, true);
        }
        let mut fields = held.fields.clone();
        self.provider.renew(&mut fields);
        self.capture(fields)
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
        self.accepted.clear();
    }

    /// What the upstream takes at a moment.
    pub(super) fn accepted(&self, now: u64) -> impl Iterator<Item = &Map<String, Value>> {
        let working = self.accepted.iter().filter(move |held| held.works_at(now));
        working.map(|held| &held.fields)
    }

    fn issue(&mut self, now: u64, renewed: bool) -> Credential {
        let mut fields = self.provider.issue(&self.scopes, renewed);
        let expires = self
            .provider
            .serves_tokens()
            .then(|| clock::after(now, self.lifetime));
        if let Some(moment) = expires {
            let lifetime = self.lifetime.as_secs();
            let said = fields.entry("expires_at");
            said.or_insert_with(|| clock::rfc3339(moment).into());
            fields.entry("expires_in").or_insert(lifetime.into());
        }
        let issued = Credential { fields, expires };
        self.refresh_token = issued.text("refresh_token").map(str::to_owned);
        self.accepted.retain(|held| held.works_at(now));
        self.accepted.push(issued.clone());
        issued
    }
}
