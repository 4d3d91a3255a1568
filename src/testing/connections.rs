//! Connections, and the sessions that use them.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::credential::Credential;
use super::encoding::unguessable;
use super::grant::Grant;
use super::provider::Provider;
use super::session::Session;

/// How long a connection waits for consent.
const CONSENT_TIME: u64 = 10 * 60 * 1000;

pub(super) struct Connection {
    pub(super) id: String,
    pub(super) workspace_id: String,
    pub(super) provider: Arc<Provider>,
    pub(super) status: String,
    /// What the consent page knows the connection by.
    pub(super) state: String,
    pub(super) request: ConnectionRequest,
    pub(super) grant: Grant,
    /// What the gateway has of it.
    pub(super) held: Option<Credential>,
    /// Whether the health worker has looked after it.
    pub(super) healthy: bool,
    opened: u64,
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

    pub(super) fn waits_for_consent(&self, now: u64) -> bool {
        self.status == "pending" && now < self.opened.saturating_add(CONSENT_TIME)
    }

    /// The credential that the gateway has, expired or not.
    pub(super) fn credential(&mut self, now: u64) -> &Credential {
        let grant = &mut self.grant;
        self.held.get_or_insert_with(|| grant.first(now))
    }

    /// The credential stops working, and the gateway has the next one.
    pub(super) fn rotate(&mut self, now: u64) {
        if let Some(held) = &mut self.held {
            *held = self.grant.replace(held, now);
        }
    }

    pub(super) fn capture(&mut self, fields: Map<String, Value>) {
        self.held = Some(self.grant.capture(fields));
    }

    /// Ends the connection and tells when that was done first.
    pub(super) fn revoke(&mut self, now: u64) -> u64 {
        if self.status != "revoked" {
            "revoked".clone_into(&mut self.status);
            self.revoked_at = None;
        }
        self.held = None;
        self.grant.end();
        *self.revoked_at.get_or_insert(now)
    }
}

/// All connections, oldest first, and the providers there are.
pub(super) struct Connections {
    providers: BTreeMap<String, Arc<Provider>>,
    /// How long a token lives.
    lifetime: Duration,
    list: Vec<Connection>,
    pub(super) sessions: Vec<Session>,
}

impl Connections {
    pub(super) fn new(providers: impl IntoIterator<Item = Provider>, lifetime: Duration) -> Self {
        let named = |provider: Provider| (provider.name().to_owned(), Arc::new(provider));
        Self {
            providers: providers.into_iter().map(named).collect(),
            lifetime,
            list: Vec::new(),
            sessions: Vec::new(),
        }
    }

    /// A new connection, still pending; `None` without such a provider, whatever the case of its name.
    pub(super) fn open(
        &mut self,
        workspace_id: &str,
        provider: &str,
        request: ConnectionRequest,
        now: u64,
    ) -> Option<&mut Connection> {
        let any_case = |found: &&Arc<Provider>| found.name().eq_ignore_ascii_case(provider);
        let exact = self.providers.get(provider);
        let provider = exact.or_else(|| self.providers.values().find(any_case))?;
        let provider = Arc::clone(provider);
        let scopes = request.scopes.clone();
        let scopes = scopes.unwrap_or_else(|| provider.scopes());
        let number = self.list.len().saturating_add(1);
        self.list.push(Connection {
            id: format!("00000000-0000-4000-8000-{number:012}"),
            workspace_id: workspace_id.to_owned(),
            grant: Grant::new(Arc::clone(&provider), scopes, self.lifetime),
            provider,
            status: "pending".to_owned(),
            state: unguessable(),
            request,
            held: None,
            healthy: false,
            opened: now,
            revoked_at: None,
        });
        self.list.last_mut()
    }

    /// An active connection, without asking anybody.
    pub(super) fn connect(
        &mut self,
        workspace: &str,
        provider: &str,
        now: u64,
    ) -> io::Result<String> {
        let connection = self.open(workspace, provider, ConnectionRequest::default(), now);
        let connection = connection.ok_or_else(|| {
            let reason = format!("there is no provider {provider:?}");
            io::Error::new(ErrorKind::InvalidInput, reason)
        })?;
        let id = connection.id.clone();
        self.activate(&id);
        Ok(id)
    }

    /// Makes a connection active, which supersedes the one that was before.
    pub(super) fn activate(&mut self, id: &str) {
        let Some(connection) = self.by_id(id) else {
            return;
        };
        "active".clone_into(&mut connection.status);
        let (workspace, provider) = (
            connection.workspace_id.clone(),
            Arc::clone(&connection.provider),
        );
        for other in &mut self.list {
            let same = other.workspace_id == workspace && other.provider.name() == provider.name();
            if same && other.id != id && other.is_active() {
                "superseded".clone_into(&mut other.status);
            }
        }
    }

    pub(super) fn by_id(&mut self, id: &str) -> Option<&mut Connection> {
        self.list.iter_mut().find(|found| found.id == id)
    }

    pub(super) fn by_state(&mut self, state: &str) -> Option<&mut Connection> {
        self.list.iter_mut().find(|found| found.state == state)
    }

    /// The active connection of the pair; without one, the newest.
    pub(super) fn by_pair(&mut self, workspace: &str, provider: &str) -> Option<&mut Connection> {
        let of_pair = |found: &&mut Connection| {
            found.workspace_id == workspace && found.provider.name() == provider
        };
        // max_by_key takes the last of equals.
        let pair = self.list.iter_mut().filter(of_pair);
        pair.max_by_key(|found| found.is_active())
    }

    /// What a broker does by itself: it refreshes every active connection that holds a token.
    pub(super) fn refresh_all(&mut self, now: u64) {
        let active = self.list.iter_mut().filter(|found| found.is_active());
        for connection in active.filter(|found| found.provider.serves_tokens()) {
            connection.rotate(now);
            connection.healthy = true;
        }
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
            session.closed = true;
        }
        closed
    }

    /// The active connection that an open session of this token uses.
    pub(super) fn by_session_token(&self, token: &str, now: u64) -> Option<&Connection> {
        let mut sessions = self.sessions.iter();
        let session = sessions.find(|session| session.token == token && session.is_open(now))?;
        let mut active = self.list.iter().filter(|found| found.is_active());
        active.find(|found| found.id == session.connection_id)
    }

    /// Newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Connection> {
        self.list.iter().rev()
    }
}
