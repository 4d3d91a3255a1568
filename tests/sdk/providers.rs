//! The list of providers, and health.

use nexus_sdk::testing::{DevGateway, Provider};

use crate::support::{client, said};

#[test]
fn providers_are_listed_in_order() {
    let maps = Provider::api_key("maps");
    let gateway = DevGateway::builder().provider(maps).start().unwrap();
    let providers = client(&gateway).providers().unwrap();
    let listed: Vec<_> = providers.all.iter().map(|p| (&*p.auth_type, &*p.name)).collect();
    let expected = [
        ("api_key", "maps"),
        ("api_key", "weather"),
        ("basic_auth", "registry"),
        ("oauth2", "github"),
    ];
    assert_eq!(listed, expected);
    let github = providers.get("github").unwrap();
    assert_eq!(github.id.as_deref(), Some("provider-github"));
    assert_eq!(github.api_base_url.as_deref(), Some(gateway.url()));
    assert_eq!(github.scopes.as_deref().unwrap(), ["repo", "user"]);
    assert!(github.user_info_endpoint.as_deref().unwrap().ends_with("/user"));
    assert_eq!(github.category.as_deref(), Some("development"));
    assert!(github.description.is_some() && providers.get("nobody").is_none());
}

#[test]
fn health_is_found_at_either_place() {
    let table = [("/health", 1, 0, true), ("/v1/health", 1, 1, true), ("/ready", 1, 1, false)];
    for (place, plain, v1, well) in table {
        let gateway = DevGateway::builder().health_at(place).start().unwrap();
        let health = client(&gateway).health();
        assert_eq!((gateway.count("/health"), gateway.count("/v1/health")), (plain, v1));
        match health {
            Ok(health) => {
                assert!(well);
                assert_eq!(health.status, "healthy");
            }
            Err(error) => assert_eq!((said(&error), well), (("http_404", Some(404)), false)),
        }
    }
}
