//! `nexus providers`: lists the gateway's providers.

use clap::Args;
use nexus_sdk::ProviderInfo;
use nexus_sdk::serde_json::{Value as Json, json};

use crate::args::Timeout;
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
    pub(crate) fn run(self) -> Result<(), Stop> {
        let providers = self.timeout.client()?.providers()?.all;
        if self.json {
            let all: Json = providers.iter().map(as_json).collect();
            return output::print_json(&json!({ "providers": all }));
        }
        output::print(table(&providers))
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

fn table(providers: &[ProviderInfo]) -> String {
    let heading = ["NAME", "AUTH TYPE", "SCOPES", "DESCRIPTION"].map(str::to_owned);
    let rows = providers.iter().map(row);
    let rows: Vec<_> = [heading].into_iter().chain(rows).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let (first, second, third) = (width(0), width(1), width(2));
    let line = |[name, kind, scopes, description]: &[String; 4]| {
        let line = format!("{name:first$}  {kind:second$}  {scopes:third$}  {description}");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

fn row(provider: &ProviderInfo) -> [String; 4] {
    let scopes = provider.scopes.as_deref().unwrap_or_default().join(",");
    let description = provider.description.as_deref().unwrap_or_default();
    [&provider.name, &provider.auth_type, &*scopes, description].map(one_line)
}
