//! The faults of `nexus gateway --fail`.

use nexus_sdk::testing::{DevGateway, Fault};

use crate::times;

/// A fault for requests whose path begins with a prefix.
#[derive(Clone)]
pub(crate) struct Scheduled {
    path: String,
    fault: Fault,
    count: usize,
}

impl Scheduled {
    pub(crate) fn schedule(&self, gateway: &DevGateway) {
        gateway.fail_next_at(&self.path, self.count, self.fault.clone());
    }
}

/// Reads `[PATH=]FAULT[:N]`, such as `/v1/resolve=503:2`.
pub(crate) fn fault(text: &str) -> Result<Scheduled, String> {
    let (path, rest) = text.rsplit_once('=').unwrap_or(("", text));
    let (fault, count) = match rest.split_once(':') {
        Some((fault, count)) => (fault, count.parse().ok().filter(|count| *count > 0)),
        None => (rest, Some(usize::MAX)),
    };
    match (named(fault), count) {
        (Some(fault), Some(count)) if path.is_empty() || path.starts_with('/') => Ok(Scheduled {
            path: path.to_owned(),
            fault,
            count,
        }),
        _ => Err(
            "write it as /PATH=503, or another status, a time such as 2s, cut, broker-down or provider-down; \
             add :2 for the next two requests"
                .to_owned(),
        ),
    }
}

fn named(fault: &str) -> Option<Fault> {
    match fault {
        "cut" => Some(Fault::Cut),
        "broker-down" => Some(Fault::BrokerDown),
        "provider-down" => Some(Fault::ProviderDown),
        // A number without a unit is a status.
        _ => match fault.parse::<f64>() {
            Ok(_) => {
                let status = fault.parse().ok();
                let status = status.filter(|status| (200..600).contains(status));
                status.map(Fault::Status)
            }
            Err(_) => times::duration(fault).ok().map(Fault::Delay),
        },
    }
}
