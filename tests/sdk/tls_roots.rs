//! A private certificate authority: through an agent of one's own, and, with the feature
//! `platform-verifier`, through the environment.

#[cfg(feature = "platform-verifier")]
use crate::support::{End, authority_pem, reply};
use crate::support::{Server, agent, holder, text};
use nexus_sdk::{FetchOptions, NexusClient, NexusClientOptions, TokenCache};

#[test]
fn an_agent_of_ones_own_brings_its_roots_and_a_stranger_is_refused() {
    let upstream = Server::start(|_| text(200, "secured"));
    let unused = || NexusClientOptions::new("http://127.0.0.1:1");
    let url = upstream.url("/").replace("http:", "https:");
    let fetch = |(client, cache): (NexusClient, TokenCache)| {
        client.authenticated_fetch(&cache, "ws", "p", &url, FetchOptions::default())
    };
    let trusting = fetch(holder(unused().agent(agent()), "t")).unwrap();
    assert_eq!(
        (trusting.0, trusting.2.as_slice()),
        (200, b"secured".as_slice())
    );

    let error = fetch(holder(unused(), "t")).unwrap_err();
    assert_eq!(error.code(), "request_failed");
    assert!(
        !error.is_retryable(),
        "a certificate stays what it is: {error}"
    );
}

/// The authorities are read when the process first needs them, so the trusting client is one of
/// its own: this test again, with the variable set.
#[cfg(feature = "platform-verifier")]
#[test]
fn the_environment_names_an_authority() {
    const CHILD: &str = "NEXUS_TEST_TLS_URL";
    if let Ok(url) = std::env::var(CHILD) {
        let unused = NexusClientOptions::new("http://127.0.0.1:1");
        let (client, cache) = holder(unused, "t");
        for _ in 0..3 {
            let options = FetchOptions::default();
            let fetched = client.authenticated_fetch(&cache, "ws", "p", &url, options);
            assert_eq!(fetched.unwrap().2, b"secured");
        }
        return;
    }
    let upstream =
        Server::start(|_| reply(200, &[("Connection", "close")], "secured").then(End::Close));
    let name = format!("nexus-roots-{}.pem", std::process::id());
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, authority_pem()).unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tls_roots::the_environment_names_an_authority",
            "--nocapture",
        ])
        .env("SSL_CERT_FILE", &file)
        .env_remove("SSL_CERT_DIR")
        .env(CHILD, upstream.url("/").replace("http:", "https:"))
        .output()
        .unwrap();
    std::fs::remove_file(file).unwrap();
    assert!(child.status.success(), "{child:?}");
    assert_eq!(upstream.requests().len(), 3);
    upstream.wait_ended(3);
    // The system's library starts a session anew for each connection.
    let resumed = if cfg!(feature = "native-tls") { 0 } else { 2 };
    assert_eq!(
        upstream.resumed(),
        resumed,
        "a later connection resumes the session of the first"
    );
}
