use std::thread;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::options::NexusClientOptions;
use crate::testing::{DevGateway, Fault};

fn page(url: &str) -> CredentialPage {
    let client = NexusClient::new(NexusClientOptions::new(url)).unwrap();
    let schema = json!({"properties": {"key": {}}});
    let [program, provider, gateway] = ["tool", "weather", url].map(str::to_owned);
    let form = Form::new(program, provider, gateway, schema.as_object().unwrap());
    let returns = Arc::default();
    CredentialPage::new("/x".to_owned(), form.unwrap(), &client, "s-1", &returns)
}

/// Returns the status of the page, and whether sending it wakes the wait.
fn submit(page: &CredentialPage) -> (u16, bool) {
    let response = page.submit(&vec![("key".to_owned(), "k".to_owned())]);
    let status = response.message.status().as_u16();
    (status, response.on_sent.is_some())
}

#[test]
fn credentials_are_sent_one_after_another_until_one_is_accepted() {
    let gateway = DevGateway::start().unwrap();
    // The gateway does not know the state `s-1`, so it refuses the credential after the delay.
    gateway.fail_next(1, Fault::Delay(Duration::from_secs(1)));
    let accepted = r#"{"connection_id": "c-1", "status": "active"}"#;
    gateway.fail_next(1, Fault::reply(200, "application/json", accepted));
    let page = page(gateway.url());
    let mut results = thread::scope(|scope| {
        let clicks = [(); 3].map(|()| scope.spawn(|| submit(&page)));
        while gateway.count("") == 0 {
            thread::yield_now();
        }
        // The other two have time to send a request as well.
        thread::sleep(Duration::from_millis(100));
        assert_eq!(gateway.count(""), 1, "before the first response");
        clicks.map(|click| click.join().unwrap())
    });
    results.sort_unstable();
    assert_eq!(results, [(200, false), (200, true), (422, false)]);
    assert_eq!(submit(&page), (200, false));
    assert_eq!(gateway.count(""), 2);
}
