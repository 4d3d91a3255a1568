//! Two tenants, eight threads, and a server that gives each tenant a session of its own.
#![cfg(test)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use nexus_sdk::{CachedToken, FetchOptions, LogLevel, NexusClient, NexusClientOptions, TokenCache};

/// The `Cookie` headers that came, by the credential that came with them.
type Came = Arc<Mutex<BTreeMap<String, Vec<Vec<String>>>>>;

fn serve(came: &Came, connections: &Arc<Mutex<usize>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (came, connections) = (Arc::clone(came), Arc::clone(connections));
    thread::spawn(move || {
        for socket in listener.incoming() {
            *connections.lock().unwrap() += 1;
            let (socket, came) = (socket.unwrap(), Arc::clone(&came));
            thread::spawn(move || answer_all(&socket, &came));
        }
    });
    url
}

fn answer_all(socket: &TcpStream, came: &Came) -> Option<()> {
    let mut lines = BufReader::new(socket).lines();
    loop {
        let (mut tenant, mut cookies) = (String::new(), Vec::new());
        loop {
            let line = lines.next()?.ok()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "authorization" => tenant = value.to_owned(),
                "cookie" => cookies.push(value.to_owned()),
                _ => {}
            }
        }
        let session = tenant.replace(' ', "-");
        came.lock()
            .unwrap()
            .entry(tenant)
            .or_default()
            .push(cookies);
        write!(&*socket, "HTTP/1.1 200 OK\r\nSet-Cookie: session={session}; Path=/\r\nContent-Length: 2\r\n\r\nok").ok()?;
    }
}

fn client_and_cache() -> (NexusClient, TokenCache) {
    let options = NexusClientOptions::new("http://127.0.0.1:1").log_level(LogLevel::Off);
    let cache = TokenCache::new();
    for workspace in ["red", "blue"] {
        let expires_at = SystemTime::now() + Duration::from_secs(3600);
        cache.set(
            workspace,
            "p",
            CachedToken::new(workspace, "Bearer", expires_at),
        );
    }
    (NexusClient::new(options).unwrap(), cache)
}

fn on_threads(work: impl Fn(&'static str) + Sync) {
    thread::scope(|threads| {
        for number in 0..8 {
            let workspace = if number % 2 == 0 { "red" } else { "blue" };
            let work = &work;
            threads.spawn(move || (0..50).for_each(|_| work(workspace)));
        }
    });
}

#[test]
fn the_feature_is_on() {
    let jar = ureq::Agent::new_with_defaults();
    assert_eq!(jar.cookie_jar_lock().iter().count(), 0);
}

#[test]
fn a_fetch_sends_its_callers_cookies_and_no_others() {
    let (came, connections) = (Came::default(), Arc::default());
    let url = serve(&came, &connections);
    let (client, cache) = client_and_cache();
    on_threads(|workspace| {
        let options = FetchOptions::default().header("Cookie", format!("own={workspace}"));
        let (status, headers, _) = client
            .authenticated_fetch(&cache, workspace, "p", &url, options)
            .unwrap();
        assert_eq!((status, headers.contains_key("set-cookie")), (200, true));
    });
    let came = came.lock().unwrap();
    for workspace in ["red", "blue"] {
        let cookies = &came[&format!("Bearer {workspace}")];
        assert_eq!(cookies.len(), 200);
        let own = [format!("own={workspace}")];
        assert!(cookies.iter().all(|sent| *sent == own), "{cookies:?}");
    }
    let connections = *connections.lock().unwrap();
    assert!(
        connections <= 16,
        "connections are used again: {connections}"
    );
}

#[test]
fn an_authenticated_agent_keeps_no_cookies() {
    let (came, connections) = (Came::default(), Arc::default());
    let url = serve(&came, &connections);
    let (client, cache) = client_and_cache();
    on_threads(|workspace| {
        let agent = client.authenticated_agent(&cache, workspace, "p");
        for _ in 0..2 {
            let mut response = agent.get(&url).call().unwrap();
            assert_eq!(response.body_mut().read_to_string().unwrap(), "ok");
        }
    });
    let came = came.lock().unwrap();
    let sent: usize = came.values().map(Vec::len).sum();
    assert_eq!(sent, 800);
    assert!(came.values().flatten().all(Vec::is_empty), "{came:?}");
}
