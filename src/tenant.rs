//! The owner of a credential: a workspace at a provider.

use crate::error::{self, Result, Subject};

/// A workspace and a provider. `("a:b", "c")` and `("a", "b:c")` are different tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tenant {
    pub(crate) workspace_id: Box<str>,
    pub(crate) provider: Box<str>,
}

impl Tenant {
    pub(crate) fn new(workspace_id: &str, provider: &str) -> Self {
        Self {
            workspace_id: workspace_id.into(),
            provider: provider.into(),
        }
    }

    /// Returns the tenant as errors and log lines name it. Empty for a blank name, which the error of `check` names.
    pub(crate) fn subject(&self) -> Subject {
        if self.check().is_err() {
            return Subject::default();
        }
        Subject::tenant(&self.workspace_id, &self.provider)
    }

    /// Refuses a blank name with `invalid_input`.
    pub(crate) fn check(&self) -> Result<()> {
        error::not_blank("workspace_id", &self.workspace_id)?;
        error::not_blank("provider", &self.provider)
    }
}
