//! One request on its way through the gateway.

use std::time::Duration;

use super::fault::Trouble;
use super::received::ReceivedRequest;
use super::service::Service;

/// Who waits for the response.
pub(super) trait Caller {
    /// Waits that long, or until the caller hangs up; tells whether that happened.
    fn hangs_up_within(&self, time: Duration) -> bool;
}

/// A request, and what it meets.
pub(super) struct Call<'a> {
    pub(super) service: &'a Service,
    pub(super) request: &'a ReceivedRequest,
    pub(super) caller: &'a dyn Caller,
    /// What is wrong behind the gateway while this call is served.
    pub(super) trouble: Option<Trouble>,
}

impl Call<'_> {
    pub(super) fn meets(&self, trouble: Trouble) -> bool {
        self.trouble == Some(trouble)
    }
}
