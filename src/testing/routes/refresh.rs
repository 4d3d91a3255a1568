//! Refreshes a token as gateways do: within a call, without a lock, and only while the caller stays connected.

use std::time::Duration;

use crate::testing::call::Call;
use crate::testing::fault::Fault;
use crate::testing::grant::Credential;

/// The longest time that a gateway waits for the provider.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(30);

/// The reason why the gateway has no new token.
pub(super) enum Failure {
    /// The provider has refused the refresh token.
    Refused,
    NoRefreshToken,
    Unreachable,
    /// The gateway did not wait for the provider's response, so the new token is lost.
    GivenUp,
}

/// Refreshes the token of a connection. Another call can use the same refresh token at the same time.
pub(super) fn run(call: &Call<'_>, id: &str) -> Result<(), Failure> {
    let (result, time) = spend(call, id)?;
    if call.hangs_up_within(time.min(PROVIDER_TIMEOUT)) || time > PROVIDER_TIMEOUT {
        return Err(Failure::GivenUp);
    }
    let mut connections = call.service.connections.lock();
    let connection = connections.by_id(id).ok_or(Failure::Refused)?;
    if result.is_err() && connection.is_active() {
        "attention".clone_into(&mut connection.status);
    }
    let credential = result?;
    if connection.status != "revoked" {
        connection.held = Some(credential);
    }
    Ok(())
}

/// Sends the refresh token to the provider. Returns the result, and the time that the provider takes to respond.
fn spend(call: &Call<'_>, id: &str) -> Result<(Result<Credential, Failure>, Duration), Failure> {
    let now = call.service.clock.now();
    let mut connections = call.service.connections.lock();
    let connection = connections.by_id(id).ok_or(Failure::Refused)?;
    let held_token = connection.credential(now).text("refresh_token");
    let token = held_token
        .map(str::to_owned)
        .ok_or(Failure::NoRefreshToken)?;
    if call.has_fault(&Fault::ProviderDown) {
        return Err(Failure::Unreachable);
    }
    let refreshed = connection.grant.refresh(&token, now);
    let issued = refreshed.map_err(|_| Failure::Refused);
    Ok((issued, connection.provider.refresh_time))
}
