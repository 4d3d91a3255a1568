//! `nexus aws-credentials`: prints the keys of an `aws_sigv4` provider in the format of a
//! `credential_process` (AWS SDKs and Tools Reference Guide, "Process credential provider").

use clap::Args;
use nexus_sdk::serde_json::Value as Json;
use nexus_sdk::{NexusError, TokenResponse};

use crate::args::{self, Gateway, Timeout};
use crate::output::{self, Fields};
use crate::stop::Stop;
use crate::times;

#[derive(Args)]
#[command(after_help = "\
In ~/.aws/config:
  [profile acme]
  credential_process = nexus aws-credentials CONNECTION")]
pub(crate) struct AwsCredentials {
    /// The connection's id, as `nexus connect` prints it
    #[arg(value_parser = args::not_blank)]
    connection: String,
    #[command(flatten)]
    timeout: Timeout,
}

impl AwsCredentials {
    pub(crate) fn run(self, gateway: &Gateway) -> Result<(), Stop> {
        let client = self.timeout.client(gateway)?;
        let token = client.get_token_by_connection_id(&self.connection)?;
        output::print_fields(document(&token)?, true)
    }
}

fn document(token: &TokenResponse) -> Result<Fields, Stop> {
    let strategy = token.strategy.as_ref().and_then(|it| it.get("type"));
    let strategy = strategy.and_then(Json::as_str).unwrap_or("oauth2");
    if !strategy.eq_ignore_ascii_case("aws_sigv4") {
        return Err(Stop::failed(format!(
            "this connection has no keys for AWS: its strategy is {strategy}, not aws_sigv4"
        )));
    }
    // Without an expiry, an AWS tool keeps the keys until the tool exits.
    let expiry = times::expiry(token).and_then(times::date);
    Ok(vec![
        ("Version", 1.into()),
        ("AccessKeyId", required(token, "access_key")?.into()),
        ("SecretAccessKey", required(token, "secret_key")?.into()),
        ("SessionToken", field(token, "session_token")?.into()),
        ("Expiration", expiry.into()),
    ])
}

fn required<'a>(token: &'a TokenResponse, name: &str) -> Result<&'a str, Stop> {
    field(token, name)?.ok_or_else(|| {
        Stop::failed(format!(
            "the connection's credentials have no {name}; connect again, and enter all fields"
        ))
    })
}

/// Returns a field without surrounding white space, or `None` if it is missing or blank.
fn field<'a>(token: &'a TokenResponse, name: &str) -> Result<Option<&'a str>, Stop> {
    let fields = token.credentials.as_ref();
    let value = fields.and_then(|it| it.get(name)?.as_str());
    let value = value.unwrap_or_default().trim();
    if value.contains(char::is_control) {
        let problem = format!(
            "the connection's {name} has a line break or another control character; connect again with another key"
        );
        return Err(NexusError::with_code("invalid_credentials", problem).into());
    }
    Ok(Some(value).filter(|value| !value.is_empty()))
}
