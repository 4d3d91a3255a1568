//! Connections, and the sessions that use them.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::encoding::unguessable;
use super::grant::{Credential, Grant};
use super::provider::Provider;
use super::session::{Agent, Session};

/// The time that a user has to consent, in milliseconds.
const MAX_CONSENT_TIME: u64 = 10 * 60 * 1000;

pub(super) struct Connection {
    pub(super) id: String,
    pub(super) provider: Arc<Provider>,
    pub(super) status: String,
    /// Identifies the connection on the consent page and in the form.
    pub(super) state: String,
    pub(super) request: ConnectionRequest,
    pub(super) grant: Grant,
    /// The credential that the gateway stores, expired or not.
    pub(super) held: Option<Credential>,
    /// `unknown` until the health worker has tried to refresh the token, then `healthy` or `expired`.
    pub(super) health: &'static str,
    opened_at: u64,
    revoked_at: Option<u64>,
}

#[derive(Default)]
pub(super) struct ConnectionRequest {
    pub(super) workspace_id: String,
    pub(super) provider_name: String,
    /// `None` if `scopes` is missing or `null` in the request.
    pub(super) scopes: Option<Vec<String>>,
    pub(super) return_url: String,
}

impl Connection {
    fn is_of(&self, workspace: &str, provider: &str) -> bool {
        self.request.workspace_id == workspace && self.provider.name == provider
    }

    pub(super) fn is_active(&self) -> bool {
        self.status == "active"
    }

    pub(super) fn waits_for_consent(&self, now: u64) -> bool {
        self.status == "pending" && now < self.opened_at.saturating_add(MAX_CONSENT_TIME)
    }

    pub(super) fn credential(&mut self, now: u64) -> &Credential {
        let grant = &mut self.grant;
        self.held.get_or_insert_with(|| grant.issue(now, false))
    }

    /// Replaces the credential, if the gateway stores one.
    pub(super) fn rotate(&mut self, now: u64) {
        if let Some(held) = &mut self.held {
            *held = self.grant.replace(held, now);
        }
    }

    pub(super) fn capture(&mut self, fields: Map<String, Value>) {
        self.held = Some(self.grant.capture(fields));
    }

    /// Revokes the connection, and returns the time of the first revocation.
    pub(super) fn revoke(&mut self, now: u64) -> u64 {
        "revoked".clone_into(&mut self.status);
        self.held = None;
        self.grant.end();
        *self.revoked_at.get_or_insert(now)
    }
}

pub(super) struct Connections {
    providers: BTreeMap<String, Arc<Provider>>,
    token_lifetime: Duration,
    /// Oldest first.
    list: Vec<Connection>,
    agents: Vec<Agent>,
    pub(super) sessions: Vec<Session>,
}

impl Connections {
    pub(super) fn new(
        providers: impl IntoIterator<Item = Provider>,
        token_lifetime: Duration,
    ) -> Self {
        let named = |provider: Provider| (provider.name.clone(), Arc::new(provider));
        Self {
            providers: providers.into_iter().map(named).collect(),
            token_lifetime,
            list: Vec::new(),
            agents: Vec::new(),
            sessions: Vec::new(),
        }
    }

    /// Adds a pending connection. Returns `None` if no provider has this name, ignoring case.
    pub(super) fn open(&mut self, request: ConnectionRequest, now: u64) -> Option<&mut Connection> {
        let name = &request.provider_name;
        let any_case = |found: &&Arc<Provider>| found.name.eq_ignore_ascii_case(name);
        let exact = self.providers.get(name);
        let provider = exact.or_else(|| self.providers.values().find(any_case))?;
        let requested = request.scopes.clone();
        let scopes = requested.unwrap_or_else(|| provider.scopes());
        let number = self.list.len().saturating_add(1);
        self.list.push(Connection {
            id: format!("00000000-0000-4000-8000-{number:012}"),
            grant: Grant::new(Arc::clone(provider), scopes, self.token_lifetime),
            provider: Arc::clone(provider),
            status: "pending".to_owned(),
            state: unguessable(),
            request,
            held: None,
            health: "unknown",
            opened_at: now,
            revoked_at: None,
        });
        self.list.last_mut()
    }

    /// Adds an active connection and returns its id.
    pub(super) fn connect(
        &mut self,
        workspace: &str,
        provider: &str,
        now: u64,
    ) -> io::Result<String> {
        let request = ConnectionRequest {
            workspace_id: workspace.to_owned(),
            provider_name: provider.to_owned(),
            ..ConnectionRequest::default()
        };
        let connection = self.open(request, now).ok_or_else(|| {
            let problem = format!("no provider is named {provider:?}; add it to the builder");
            io::Error::new(ErrorKind::InvalidInput, problem)
        })?;
        let id = connection.id.clone();
        self.activate(&id);
        Ok(id)
    }

    /// Activates a connection, which supersedes another active connection of the same workspace and provider.
    pub(super) fn activate(&mut self, id: &str) {
        let Some(connection) = self.by_id(id) else {
            return;
        };
        let workspace = connection.request.workspace_id.clone();
        let provider = Arc::clone(&connection.provider);
        for found in &mut self.list {
            if found.id == id {
                "active".clone_into(&mut found.status);
            } else if found.is_active() && found.is_of(&workspace, &provider.name) {
                "superseded".clone_into(&mut found.status);
            }
        }
    }

    pub(super) fn by_id(&mut self, id: &str) -> Option<&mut Connection> {
        self.list.iter_mut().find(|found| found.id == id)
    }

    pub(super) fn by_state(&mut self, state: &str) -> Option<&mut Connection> {
        self.list.iter_mut().find(|found| found.state == state)
    }

    /// Returns the active connection of a workspace and provider, or else the newest connection.
    pub(super) fn by_pair(&mut self, workspace: &str, provider: &str) -> Option<&mut Connection> {
        let of_pair = self
            .list
            .iter_mut()
            .filter(|found| found.is_of(workspace, provider));
        // `max_by_key` returns the last of equal elements.
        of_pair.max_by_key(|found| found.is_active())
    }

    /// Refreshes the token of every active connection that has a refresh token.
    pub(super) fn refresh_all(&mut self, now: u64) {
        let active = self.list.iter_mut().filter(|found| found.is_active());
        for connection in active.filter(|found| found.provider.has_tokens()) {
            let held = connection.held.as_ref();
            let held_token = held.and_then(|held| held.text("refresh_token"));
            let Some(token) = held_token.map(str::to_owned) else {
                continue;
            };
            if let Ok(next) = connection.grant.refresh(&token, now) {
                connection.held = Some(next);
                connection.health = "healthy";
            } else {
                "expired".clone_into(&mut connection.status);
                connection.health = "expired";
            }
        }
    }

    pub(super) fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers.values().map(AsRef::as_ref)
    }

    /// Closes the sessions of a connection, and returns how many were open.
    pub(super) fn close_sessions(&mut self, connection_id: &str, now: u64) -> usize {
        let sessions = self.sessions.iter_mut();
        let open =
            sessions.filter(|found| found.connection_id == connection_id && found.is_open(now));
        open.map(|session| session.closed = true).count()
    }

    /// Adds an agent, and returns whether its id was still free.
    pub(super) fn register(&mut self, agent: Agent) -> bool {
        let is_free = self.agent(&agent.id).is_none();
        if is_free {
            self.agents.push(agent);
        }
        is_free
    }

    pub(super) fn agent(&self, id: &str) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.id == id)
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Connection> {
        self.list.iter().rev()
    }
}
