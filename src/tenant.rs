//! The owner of a credential: a workspace at a provider.

use std::sync::Arc;

use crate::error::{self, Result};

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

    /// Returns the tenant with these names.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank name.
    pub(crate) fn checked(workspace_id: &str, provider: &str) -> Result<Arc<Self>> {
        error::not_blank("workspace_id", workspace_id)?;
        error::not_blank("provider", provider)?;
        Ok(Arc::new(Self::new(workspace_id, provider)))
    }
}
