//! The calls that can refresh a token, and the connections that they are for.

use std::collections::VecDeque;

use crate::cache::Tenant;
use crate::gateway::Request;
use crate::sync::Mutex;

/// The maximum number of connection ids whose workspace and provider a client remembers.
const MAX_KNOWN_IDS: usize = 1000;

/// The connection that a call is for, as the caller names it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Tenant(Tenant),
    Connection(Box<str>),
}

/// A call that can make the gateway refresh a token.
pub(crate) enum Operation {
    Resolve(Tenant),
    Token(Box<str>),
    Check(Box<str>),
    Refresh(Box<str>),
    /// Requests an agent session for a connection.
    Session(Subject, Box<Request>),
}

impl Subject {
    pub(super) fn provider(&self) -> Option<&str> {
        match self {
            Self::Tenant(tenant) => Some(&tenant.provider),
            Self::Connection(_) => None,
        }
    }
}

impl Operation {
    /// Returns the connection that the operation is for, as the caller named it.
    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::Resolve(tenant) => Subject::Tenant(tenant.clone()),
            Self::Token(id) | Self::Check(id) | Self::Refresh(id) => {
                Subject::Connection(id.clone())
            }
            Self::Session(subject, _) => subject.clone(),
        }
    }

    /// Returns whether one response can serve both calls. Each request for an agent session opens a session of its own.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Resolve(own), Self::Resolve(other)) => own == other,
            (Self::Token(own), Self::Token(other))
            | (Self::Check(own), Self::Check(other))
            | (Self::Refresh(own), Self::Refresh(other)) => own == other,
            _ => false,
        }
    }
}

/// The workspaces and providers of the connection ids that the client has requested, the latest last.
#[derive(Default)]
pub(super) struct KnownIds(Mutex<VecDeque<(Box<str>, Tenant)>>);

impl KnownIds {
    pub(super) fn add(&self, connection_id: &str, tenant: Tenant) {
        let mut known = self.0.lock();
        if known.len() >= MAX_KNOWN_IDS {
            known.pop_front();
        }
        known.push_back((connection_id.into(), tenant));
    }

    /// Returns the key of flights and of the lock that processes share. Calls by a known id have the key of its
    /// workspace and provider, so that they take turns with the calls that name these.
    ///
    /// The provider is in lower case, because a gateway ignores its case when a connection is requested, but not when
    /// its token is resolved. Providers that differ only in case therefore take turns.
    pub(super) fn key(&self, subject: Subject) -> Subject {
        let tenant = match subject {
            Subject::Tenant(tenant) => tenant,
            Subject::Connection(id) => {
                let known = self.0.lock();
                match known.iter().rev().find(|(known, _)| *known == id) {
                    Some((_, tenant)) => tenant.clone(),
                    None => return Subject::Connection(id),
                }
            }
        };
        Subject::Tenant(Tenant { provider: tenant.provider.to_lowercase().into(), ..tenant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_thousand_ids_have_the_key_of_the_workspace_and_provider_they_were_last_requested_for()
     {
        let known = KnownIds::default();
        let connection = |id: &str| Subject::Connection(id.into());
        let tenant = |workspace_id: &str| Subject::Tenant(Tenant::new(workspace_id, "p"));
        for number in 0..=MAX_KNOWN_IDS {
            known.add(&number.to_string(), Tenant::new("ws", "P"));
        }
        let keys = ["0", "1", "1000", "1001"].map(|id| known.key(connection(id)));
        assert!(keys[0] == connection("0") && keys[3] == connection("1001"));
        assert!(keys[1] == tenant("ws") && keys[2] == tenant("ws"));
        assert_eq!(known.0.lock().len(), MAX_KNOWN_IDS);
        known.add("1", Tenant::new("other", "p"));
        assert!(known.key(connection("1")) == tenant("other"));
    }
}
