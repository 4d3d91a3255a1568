//! Connections, the credentials they hold and the sessions that use them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::clock;
use super::encoding::unguessable;
use super::provider::Provider;
use super::sessions::Session;

/// What a connection hands out at the moment.
pub(super) struct Credential {
    pub(super) fields: Map<String, Value>,
    /// When it stops working at the upstream; static credentials never do by themselves.
    expires: Option<u64>,
    live: bool,
}

impl Credential {
    fn issue(provider: &Provider, renewed: bool, now: u64, lifetime: Duration) -> Self {
        let mut fields = provider.issue(renewed);
        let expires = provider
            .serves_tokens()
            .then(|| clock::after(now, lifetime));
        if let Some(moment) = expires {
            let said = fields.entry("expires_at");
            said.or_insert_with(|| clock::rfc3339(moment).into());
        }
        Self {
            fields,
            expires,
            live: true,
        }
    }

    /// The next one in its place; a static one keeps its fields.
    fn renew(&mut self, provider: &Provider, now: u64, lifetime: Duration) {
        if provider.serves_tokens() {
            *self = Self::issue(provider, true, now, lifetime);
        } else {
            provider.renew(&mut self.fields);
            self.live = true;
        }
    }

    pub(super) fn works_at(&self, now: u64) -> bool {
        self.live && self.expires.is_none_or(|expires| now < expires)
    }
}

pub(super) struct Connection {
    pub(super) id: String,
    pub(super) workspace_id: String,
    pub(super) provider: Arc<Provider>,
    pub(super) status: String,
    /// What the consent page knows the connection by.
    pub(super) state: String,
    pub(super) request: ConnectionRequest,
    credential: Option<Credential>,
    revoked_at: Option<u64>,
}

/// What a connection was asked for with, beside workspace and provider.
#[derive(Default)]
pub(super) struct ConnectionRequest {
    /// `None` when none were given, or `null`.
    pub(super) scopes: Option<Vec<String>>,
    pub(super) return_url: String,
}

impl Connection {
    pub(super) fn is_active(&self) -> bool {
        self.status == "active"
    }

    /// The credential, renewed only when the one handed out before no longer works.
    pub(super) fn credential(&mut self, now: u64, lifetime: Duration) -> &Credential {
        let provider = &self.provider;
        let held = self
            .credential
            .get_or_insert_with(|| Credential::issue(provider, false, now, lifetime));
        if !held.works_at(now) {
            held.renew(provider, now, lifetime);
        }
        held
    }

    /// The current credential stops working at once.
    pub(super) fn kill_credential(&mut self) {
        if let Some(held) = &mut self.credential {
            held.live = false;
        }
    }

    /// The user's own credential, which makes the connection active.
    pub(super) fn capture(&mut self, fields: Map<String, Value>) {
        self.credential = Some(Credential {
            fields,
            expires: None,
            live: true,
        });
        "active".clone_into(&mut self.status);
    }

    /// Ends the connection and tells when that was done first.
    pub(super) fn revoke(&mut self, now: u64) -> u64 {
        if self.status != "revoked" {
            "revoked".clone_into(&mut self.status);
            self.revoked_at = None;
        }
        self.credential = None;
        *self.revoked_at.get_or_insert(now)
    }

    /// The credential, if the upstream would take it now.
    pub(super) fn working_credential(&self, now: u64) -> Option<&Map<String, Value>> {
        let held = self.credential.as_ref()?;
        let works = self.is_active() && held.works_at(now);
        works.then_some(&held.fields)
    }
}

/// All connections, oldest first, and the providers there are.
#[derive(Default)]
pub(super) struct Connections {
    providers: BTreeMap<String, Arc<Provider>>,
    list: Vec<Connection>,
    pub(super) sessions: Vec<Session>,
}

impl Connections {
    pub(super) fn new(providers: impl IntoIterator<Item = Provider>) -> Self {
        let named = |provider: Provider| (provider.name().to_owned(), Arc::new(provider));
        Self {
            providers: providers.into_iter().map(named).collect(),
            list: Vec::new(),
            sessions: Vec::new(),
        }
    }

    /// A new connection, still pending; `None` without such a provider.
    pub(super) fn open(
        &mut self,
        workspace_id: &str,
        provider: &str,
        request: ConnectionRequest,
    ) -> Option<&mut Connection> {
        let provider = Arc::clone(self.providers.get(provider)?);
        self.list.push(Connection {
            id: format!("connection-{}", self.list.len().saturating_add(1)),
            workspace_id: workspace_id.to_owned(),
            provider,
            status: "pending".to_owned(),
            state: unguessable(),
            request,
            credential: None,
            revoked_at: None,
        });
        self.list.last_mut()
    }

    pub(super) fn by_id(&mut self, id: &str) -> Option<&mut Connection> {
        self.list.iter_mut().find(|found| found.id == id)
    }

    pub(super) fn by_state(&mut self, state: &str) -> Option<&mut Connection> {
        self.list.iter_mut().find(|found| found.state == state)
    }

    /// The newest active connection of the pair; without one, the newest.
    pub(super) fn by_pair(&mut self, workspace: &str, provider: &str) -> Option<&mut Connection> {
        let of_pair = |found: &&mut Connection| {
            found.workspace_id == workspace && found.provider.name() == provider
        };
        // max_by_key takes the last of equals.
        let pair = self.list.iter_mut().filter(of_pair);
        pair.max_by_key(|found| found.is_active())
    }

    pub(super) fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers.values().map(AsRef::as_ref)
    }

    /// Closes the sessions of a connection and counts those that were open.
    pub(super) fn close_sessions(&mut self, connection_id: &str, now: u64) -> u64 {
        let of_connection = |found: &&mut Session| found.connection_id == connection_id;
        let mut closed = 0_u64;
        for session in self.sessions.iter_mut().filter(of_connection) {
            closed = closed.saturating_add(session.is_open(now).into());
            session.close();
        }
        closed
    }

    /// The active connection that an open session of this token uses.
    pub(super) fn by_session_token(&self, token: &str, now: u64) -> Option<&Connection> {
        let mut sessions = self.sessions.iter();
        let session = sessions.find(|session| session.is_opened_by(token, now))?;
        let mut active = self.list.iter().filter(|found| found.is_active());
        active.find(|found| found.id == session.connection_id)
    }

    /// Newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Connection> {
        self.list.iter().rev()
    }
}
