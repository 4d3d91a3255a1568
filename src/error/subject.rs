//! The subject of a call, which its errors and log lines name.

use std::fmt;

use crate::log::shortened;

/// The longest part of a name that a message shows, in characters.
const MAX_NAME: usize = 100;

/// The tenant that a call is for, or the id of its connection or session. Empty for a call that has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    pub(crate) workspace_id: Option<Box<str>>,
    pub(crate) provider: Option<Box<str>>,
    pub(crate) connection_id: Option<Box<str>>,
    pub(crate) session_id: Option<Box<str>>,
}

impl Subject {
    pub(crate) fn tenant(workspace_id: &str, provider: &str) -> Self {
        Self {
            workspace_id: Some(workspace_id.into()),
            provider: Some(provider.into()),
            ..Self::default()
        }
    }

    pub(crate) fn connection(id: &str) -> Self {
        Self {
            connection_id: Some(id.into()),
            ..Self::default()
        }
    }

    #[cfg(feature = "sessions")]
    pub(crate) fn session(id: &str) -> Self {
        Self {
            session_id: Some(id.into()),
            ..Self::default()
        }
    }

    /// Returns the beginning of a message about this subject, or an empty string.
    pub(crate) fn prefix(&self) -> String {
        match self.to_string() {
            nothing if nothing.is_empty() => nothing,
            names => names + ": ",
        }
    }
}

/// Writes all parts in one line, such as `workspace "acme", provider "github"`. Names are cut after 100 characters, and their
/// control and invisible characters are escaped.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("workspace", &self.workspace_id),
            ("provider", &self.provider),
            ("connection", &self.connection_id),
            ("session", &self.session_id),
        ];
        let mut separator = "";
        for (what, name) in parts {
            if let Some(name) = name {
                let shown = shortened(name, MAX_NAME);
                write!(f, "{separator}{what} {shown:?}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}
