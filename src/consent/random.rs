//! Random strings that nobody can guess.

use crate::error::{ErrorKind, NexusError, Result};

/// Returns 128 random bits from the operating system, in hexadecimal.
pub(super) fn random() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::getrandom(&mut bytes).map_err(|error| {
        let problem =
            format!("the operating system provides no random bytes: {error}; try again later");
        NexusError::new(ErrorKind::RequestFailed, problem)
    })?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
