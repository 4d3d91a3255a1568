//! Plays the recorded exchanges of a gateway and broker 0.4 (tests/recorded) against the development gateway. The status,
//! the content type, each field and the effects on later steps have to agree. `Player::same` names the differences.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use nexus_sdk::http::Response;
use nexus_sdk::testing::{DevGateway, DevGatewayBuilder, Fault, Provider};
use serde_json::{Map, Value, json};
use ureq::Body;

use crate::{agent, bearer, get, hang_up, post, send};

const RECORDED: &str = include_str!("../recorded/gateway-0.4.json");
/// The recorded tokens' lifetime.
const LIFETIME: Duration = Duration::from_secs(20);
/// The scenarios of one gateway, in this order.
const ONE_BY_ONE: [&str; 7] = [
    "consent",
    "expiry",
    "denied",
    "superseded",
    "revoked",
    "unknown",
    "api key",
];
const WRONG_KEY: &str = "wrong key between gateway and broker";
const BROKER_DOWN: &str = "broker down";
const NOT_ALLOWED: &str = "return URL not allowed";
const PROVIDER_DOWN: &str = "provider down at the refresh";
const RATE_LIMITS: &str = "rate limits";
const TWO_RESOLVES: &str = "two resolves at once after expiry, rotating provider";
const HANG_UP: &str = "hang up during a refresh, rotating provider";

/// The providers of the recording. Its gateway had no agent sessions: the development gateway serves them unless told
/// otherwise, because programs that use them need a gateway that has them.
fn builder(refresh_time: Duration) -> DevGatewayBuilder {
    let key = Map::from_iter([("api_key".to_owned(), json!("the-api-key"))]);
    DevGateway::builder()
        .token_lifetime(LIFETIME)
        .sessions(false)
        .provider(Provider::oauth2("idp").refresh_time(refresh_time))
        .provider(Provider::api_key("keyed").credentials(key))
}

/// Returns the recorded exchanges of a scenario.
fn scenario(name: &str) -> Vec<Value> {
    let mut all: Value = serde_json::from_str(RECORDED).unwrap();
    let steps = all["exchanges"].as_array_mut().unwrap();
    steps.retain(|step| step["scenario"] == name);
    std::mem::take(steps)
}

/// Plays steps, and knows what each of the recording's numbered names stands for here.
struct Player {
    gateway: DevGateway,
    /// From a name such as `<access token 1>` to the value here; no two have the same.
    names: BTreeMap<String, String>,
}

impl Player {
    fn new(builder: DevGatewayBuilder) -> Self {
        Self {
            gateway: builder.start().unwrap(),
            names: BTreeMap::new(),
        }
    }

    /// A gateway with a connection that the recording made before it began, and whose token was handed out.
    fn connected(number: u32, refresh_time: Duration) -> Self {
        let mut player = Self::new(builder(refresh_time));
        let wanted = json!({
            "user_id": format!("w{number}"), "provider_name": "idp", "scopes": ["openid", "offline_access"],
            "return_url": "http://127.0.0.1:9999/cb",
        });
        let path = "/v1/request-connection";
        let (_, connection) = post(&player.gateway, path, &wanted.to_string());
        for (kind, field) in [("connection id", "connection_id"), ("state", "state")] {
            let value = connection[field].as_str().unwrap().to_owned();
            player.names.insert(format!("<{kind} {number}>"), value);
        }
        assert_eq!(player.browse(number, "").status(), 302);
        let token = player.here(&format!("/v1/token/<connection id {number}>"));
        assert_eq!(get(&player.gateway, &token).0, 200);
        player
    }

    /// Opens a connection's consent page, and returns its response.
    fn browse(&self, number: u32, deny: &str) -> Response<Body> {
        let state = &self.names[&format!("<state {number}>")];
        let page = format!("{}/consent?state={state}{deny}", self.gateway.url());
        agent().get(page).call().unwrap()
    }

    /// A recorded text as it reads here.
    fn here(&self, text: &str) -> String {
        let replace = |text: String, (name, value): (&String, &String)| text.replace(name, value);
        self.names.iter().fold(text.to_owned(), replace)
    }

    fn send(&self, step: &Value) -> Response<Body> {
        let request = &step["request"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let headers = request["headers"].as_object().into_iter().flatten();
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let body = match &request["body"] {
            Value::Null => String::new(),
            body => self.here(&body.to_string()),
        };
        let path = self.here(&text(&request["path"]));
        let line = (&*text(&request["method"]), &*path);
        send(&self.gateway, line, &headers, &body)
    }

    fn play(&mut self, step: &Value) {
        let response = self.send(step);
        self.compare(step, response);
    }

    fn compare(&mut self, step: &Value, mut response: Response<Body>) {
        let what = format!("{}: {}", step["scenario"], step["step"]);
        let header = |name: &str| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().unwrap())
        };
        let expected = &step["response"];
        assert_eq!(expected["status"], response.status().as_u16(), "{what}");
        let kind = header("content-type");
        assert_eq!(expected["content_type"].as_str(), kind, "{what}");
        // The exact time depends on the duration of the calls before.
        let seconds = header("retry-after").map(|text| text.parse::<u64>().unwrap());
        let has_retry_after = expected["retry_after"].is_string();
        assert_eq!(has_retry_after, seconds.is_some(), "{what}");
        let text = response.body_mut().read_to_string().unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        self.same(&what, "", &expected["body"], &body);
    }

    /// Asserts that two values say the same, except for the differences that are named here.
    fn same(&mut self, what: &str, field: &str, recorded: &Value, here: &Value) {
        let what = &format!("{what}, {field}");
        match (recorded, here) {
            (Value::Object(recorded), Value::Object(here)) => {
                self.same_fields(what, field, recorded, here);
            }
            (Value::Array(recorded), Value::Array(here)) => {
                assert_eq!(recorded.len(), here.len(), "{what}");
                for (recorded, here) in recorded.iter().zip(here) {
                    self.same(what, field, recorded, here);
                }
            }
            (Value::String(recorded), Value::String(here)) => {
                self.same_text(what, field, recorded, here);
            }
            _ => assert_eq!(recorded, here, "{what}"),
        }
    }

    fn same_fields(
        &mut self,
        what: &str,
        field: &str,
        recorded: &Map<String, Value>,
        here: &Map<String, Value>,
    ) {
        let names = |fields: &Map<String, Value>| fields.keys().cloned().collect::<BTreeSet<_>>();
        match field {
            // Providers that every development gateway has.
            "api_key" | "oauth2" => assert!(names(here).is_superset(&names(recorded)), "{what}"),
            _ if here.contains_key("basic_auth") => {}
            // A provider's form is what its operator wrote; ours marks what is secret.
            "properties" => return assert_eq!(names(recorded), names(here), "{what}"),
            _ => assert_eq!(names(recorded), names(here), "{what}"),
        }
        if field == "idp" || field == "keyed" {
            // The rest is what its operator wrote.
            return self.same(what, "id", &recorded["id"], &here["id"]);
        }
        for (name, value) in recorded {
            self.same(what, name, value, &here[name]);
        }
    }

    fn same_text(&mut self, what: &str, field: &str, recorded: &str, here: &str) {
        match field {
            // The development gateway plays the provider's page, too; the form's address is the real one.
            "authUrl" => {
                let has_form = |url: &str| url.contains("/auth/capture-schema?state=");
                assert_eq!(has_form(recorded), has_form(here), "{what}");
            }
            // Times differ, and the recorded provider issues the same `id_token` again within a second.
            "expires_at" | "revoked_at" | "id_token" => assert!(!here.is_empty(), "{what}"),
            // The rest of the text names the address that could not be reached.
            _ if recorded.contains("dial tcp") => {
                let start = |text: &str| text.split(':').next().unwrap().to_owned();
                assert_eq!(start(recorded), start(here), "{what}");
            }
            _ if recorded.starts_with('<') && recorded.rfind('<') == Some(0) => {
                self.bind(what, recorded, here);
            }
            _ => assert_eq!(self.here(recorded), here, "{what}"),
        }
    }

    /// One name stands for one value, and one value has one name.
    fn bind(&mut self, what: &str, name: &str, here: &str) {
        if let Some(known) = self.names.get(name) {
            assert_eq!(known, here, "{what}: {name}");
            return;
        }
        let other = self.names.iter().find(|(_, value)| *value == here);
        assert_eq!(other, None, "{what}: {name} is new");
        self.names.insert(name.to_owned(), here.to_owned());
    }
}

#[test]
fn one_user_after_the_other() {
    let mut player = Player::new(builder(Duration::ZERO));
    for step in ONE_BY_ONE.into_iter().flat_map(scenario) {
        match step["step"].as_str().unwrap() {
            "consented: check" => {
                let page = player.browse(1, "");
                let back = "http://127.0.0.1:9999/cb?connection_id=<connection id 1>&provider=idp&status=success";
                assert_eq!(page.status(), 302);
                assert_eq!(page.headers()["location"], player.here(back));
            }
            "just expired" | "expired: check (this refreshes)" => player.gateway.advance(LIFETIME),
            "denied: check" => {
                let page = player.browse(2, "&deny=1");
                assert!(!page.headers().contains_key("location"));
            }
            "the first: check" => assert_eq!(player.browse(3, "").status(), 302),
            _ => {}
        }
        player.play(&step);
    }
}

/// The numbers of the connections, and whether their tokens have expired.
#[test]
fn with_the_broker_or_the_provider_out_of_reach() {
    for (name, number, is_expired, fault) in [
        (WRONG_KEY, 6, false, Fault::WrongBrokerKey),
        (BROKER_DOWN, 6, false, Fault::BrokerDown),
        (NOT_ALLOWED, 6, false, Fault::ReturnUrlRefused),
        (PROVIDER_DOWN, 9, true, Fault::ProviderDown),
    ] {
        let mut player = Player::connected(number, Duration::ZERO);
        if is_expired {
            player.gateway.advance(LIFETIME);
        }
        player.gateway.fail_next(usize::MAX, fault);
        for step in scenario(name) {
            player.play(&step);
        }
        player.gateway.forget_faults();
        let token = player.here(&format!("/v1/token/<connection id {number}>"));
        assert_eq!(
            get(&player.gateway, &token).0,
            200,
            "the connection is still active"
        );
    }
}

#[test]
fn with_rate_limits() {
    let mut player = Player::new(builder(Duration::ZERO).rate_limits(true));
    player.gateway.connect("w4", "keyed").unwrap();
    let [sixty_first, other, eleventh] = scenario(RATE_LIMITS).try_into().unwrap();
    for (step, limit) in [(&sixty_first, 60), (&eleventh, 10)] {
        // Each call refills a little while it takes, so that more than the limit may pass.
        let mut passed = 0;
        let refused = loop {
            let response = player.send(step);
            if response.status() != 200 {
                break response;
            }
            passed += 1;
        };
        assert!(passed >= limit, "{passed}");
        player.compare(step, refused);
        if limit == 60 {
            player.play(&other);
        }
    }
}

/// A step twice at once when the token has expired, and the responses, the refused one first; `None` when the refresh
/// was over before both were there.
fn race(step: &Value, refresh_time: Duration) -> Option<(Player, [Response<Body>; 2])> {
    let player = Player::connected(7, refresh_time);
    // The recorded health worker had come by.
    player.gateway.run_health_worker();
    player.gateway.advance(LIFETIME);
    let start = Barrier::new(2);
    let send = || {
        start.wait();
        player.send(step)
    };
    let mut responses = thread::scope(|scope| {
        let threads = [scope.spawn(send), scope.spawn(send)];
        threads.map(|thread| thread.join().unwrap())
    });
    responses.sort_by_key(|response| response.status() == 200);
    (responses[0].status() != 200).then_some((player, responses))
}

#[test]
fn two_resolves_at_once_cost_the_connection() {
    let steps = scenario(TWO_RESOLVES);
    let (both, after) = steps.split_at(2);
    // On a busy machine more time.
    let mut times = [200, 2_000, 20_000].into_iter();
    let raced = times.find_map(|time| race(&both[0], Duration::from_millis(time)));
    let (mut player, responses) = raced.unwrap();
    for (step, response) in both.iter().zip(responses) {
        player.compare(step, response);
    }
    for step in after {
        player.play(step);
    }
    let dead = json!({"access_token": player.names["<access token 6>"]});
    let status = bearer(&player.gateway, &dead);
    assert_eq!(status, 401, "a token that was just handed out");
}

#[test]
fn hanging_up_during_a_refresh_costs_the_connection() {
    let mut player = Player::connected(8, Duration::from_millis(300));
    player.gateway.advance(LIFETIME);
    let steps = scenario(HANG_UP);
    let (given_up, after) = steps.split_first().unwrap();
    assert!(given_up["response"].is_null());
    let path = given_up["request"]["path"].as_str().unwrap();
    hang_up(&player.gateway, "GET", path);
    for step in after {
        player.play(step);
    }
}

#[test]
fn every_recorded_exchange_is_played() {
    let all: Value = serde_json::from_str(RECORDED).unwrap();
    for step in all["exchanges"].as_array().unwrap() {
        let name = step["scenario"].as_str().unwrap();
        let others = [
            WRONG_KEY,
            BROKER_DOWN,
            NOT_ALLOWED,
            PROVIDER_DOWN,
            RATE_LIMITS,
        ];
        let others = [&others[..], &[TWO_RESOLVES, HANG_UP]].concat();
        let played = ONE_BY_ONE.contains(&name) || others.contains(&name);
        assert!(played, "{name}");
    }
}
