//! Refreshing as gateways do it: inside the call that asks, without a lock, and given up with its caller.

use std::time::Duration;

use crate::testing::call::Call;
use crate::testing::credential::Credential;
use crate::testing::fault::Fault;

/// After this time a gateway gives the provider up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the gateway has no new token.
pub(super) enum Failure {
    /// The provider has refused, so the connection needs attention.
    Refused,
    NoRefreshToken,
    Unreachable,
    /// The provider may have refreshed, and nobody knows with what.
    GivenUp,
}

/// Has the provider refresh the token that the gateway holds now, and holds what comes back. Another call may do the
/// same meanwhile, with the same refresh token.
pub(super) fn run(call: &Call<'_>, id: &str) -> Result<(), Failure> {
    let (result, time) = spend(call, id)?;
    if call.hangs_up_within(time.min(PATIENCE)) || time > PATIENCE {
        return Err(Failure::GivenUp);
    }
    let mut connections = call.service.connections.lock();
    let Some(connection) = connections.by_id(id) else {
        return Err(Failure::Refused);
    };
    match result {
        Ok(credential) if connection.status != "revoked" => connection.held = Some(credential),
        Ok(_) => {}
        Err(refused) => {
            if connection.is_active() {
                "attention".clone_into(&mut connection.status);
            }
            return Err(refused);
        }
    }
    Ok(())
}

/// Spends the refresh token at the provider: what that will bring, and after what time.
fn spend(call: &Call<'_>, id: &str) -> Result<(Result<Credential, Failure>, Duration), Failure> {
    let now = call.service.clock.now();
    let mut connections = call.service.connections.lock();
    let connection = connections.by_id(id).ok_or(Failure::Refused)?;
    let token = connection.credential(now).text("refresh_token");
    let token = token.map(str::to_owned).ok_or(Failure::NoRefreshToken)?;
    if call.has_fault(&Fault::ProviderDown) {
        return Err(Failure::Unreachable);
    }
    let issued = connection.grant.refresh(&token, now);
    let issued = issued.map_err(|_| Failure::Refused);
    Ok((issued, connection.provider.time_to_refresh()))
}
