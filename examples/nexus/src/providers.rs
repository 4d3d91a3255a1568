//! `nexus providers`: lists the gateway's providers.

use clap::Args;
use nexus_sdk::ProviderInfo;
use nexus_sdk::serde_json::{Value as Json, json};

use crate::args::{Gateway, Timeout};
use crate::output;
use crate::stop::Stop;
use crate::text::one_line;

#[derive(Args)]
pub(crate) struct Providers {
    #[command(flatten)]
    timeout: Timeout,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl Providers {
    pub(crate) fn run(self, gateway: &Gateway) -> Result<(), Stop> {
        let providers = self.timeout.client(gateway)?.providers()?.all;
        if self.json {
            let all: Json = providers.iter().map(as_json).collect();
            return output::print_json(&json!({ "providers": all }));
        }
        let heading = ["NAME", "AUTH TYPE", "SCOPES", "DESCRIPTION"].map(str::to_owned);
        let rows = [heading].into_iter().chain(providers.iter().map(row));
        output::print(output::columns(&rows.collect::<Vec<_>>()))
    }
}

fn as_json(provider: &ProviderInfo) -> Json {
    json!({
        "name": provider.name,
        "auth_type": provider.auth_type,
        "id": provider.id,
        "api_base_url": provider.api_base_url,
        "user_info_endpoint": provider.user_info_endpoint,
        "scopes": provider.scopes,
        "description": provider.description,
        "category": provider.category,
    })
}

fn row(provider: &ProviderInfo) -> [String; 4] {
    let scopes = provider.scopes.as_deref().unwrap_or_default().join(",");
    let description = provider.description.as_deref().unwrap_or_default();
    [&provider.name, &provider.auth_type, &*scopes, description].map(one_line)
}
