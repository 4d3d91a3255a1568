//! The limits on the calls of a workspace.

use std::collections::HashMap;

use super::encoding::parameter;
use super::received::ReceivedRequest;

const MINUTE: u64 = 60_000;

/// Returns the milliseconds per call, or `None` if calls of this kind are not limited.
fn interval(kind: &str) -> Option<u64> {
    match kind {
        "request-connection" => Some(MINUTE / 10),
        "token" | "refresh" | "resolve" => Some(MINUTE / 60),
        _ => None,
    }
}

/// A token bucket for each kind of call and workspace.
#[derive(Default)]
pub(super) struct RateLimits {
    /// The time at which each bucket is full again, in milliseconds since 1970.
    full_at: HashMap<(String, String), u64>,
}

impl RateLimits {
    /// Counts a call.
    ///
    /// # Errors
    ///
    /// The seconds until the next call is allowed, rounded down as on a real gateway, so 0 is possible.
    pub(super) fn take(&mut self, request: &ReceivedRequest, now: u64) -> Result<(), u64> {
        let path = request.path.trim_start_matches("/v1/");
        let kind = path.split('/').next().unwrap_or_default();
        let Some(interval) = interval(kind) else {
            return Ok(());
        };
        let entry = self.full_at.entry((kind.to_owned(), workspace(request)));
        let full_at = entry.or_insert(now);
        let next = now.max(*full_at).saturating_add(interval);
        match next.checked_sub(now.saturating_add(MINUTE)) {
            Some(early) if early > 0 => Err(early / 1000),
            _ => {
                *full_at = next;
                Ok(())
            }
        }
    }
}

/// Returns the workspace from the header or the query, or an empty string.
fn workspace(request: &ReceivedRequest) -> String {
    let header = request.headers.get("x-workspace-id");
    match header.and_then(|value| value.to_str().ok()) {
        Some(workspace) if !workspace.is_empty() => workspace.to_owned(),
        _ => parameter(request.query.as_deref(), "workspace_id"),
    }
}
