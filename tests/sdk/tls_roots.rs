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

#[cfg(feature = "platform-verifier")]
const CHILD: &str = "NEXUS_TEST_TLS_URL";

/// Runs a test of this file again, as a process of its own, because the authorities are read when a process first needs
/// them.
#[cfg(feature = "platform-verifier")]
fn again(test: &str, url: &str, file: &std::path::Path) -> std::process::Output {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("tls_roots::{test}"), "--nocapture"])
        .env("SSL_CERT_FILE", file)
        .env_remove("SSL_CERT_DIR")
        .env(CHILD, url)
        .output()
        .unwrap()
}

#[cfg(feature = "platform-verifier")]
fn written(name: &str, content: &[u8]) -> std::path::PathBuf {
    let name = format!("nexus-{name}-{}.pem", std::process::id());
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, content).unwrap();
    file
}

#[cfg(feature = "platform-verifier")]
#[test]
fn the_environment_names_an_authority() {
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
    let file = written("roots", authority_pem().as_bytes());
    let url = upstream.url("/").replace("http:", "https:");
    let child = again("the_environment_names_an_authority", &url, &file);
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

#[cfg(all(feature = "platform-verifier", target_os = "linux"))]
#[test]
#[allow(clippy::print_stdout)]
fn an_ssl_cert_file_without_a_certificate_is_named_in_the_error() {
    if let Ok(url) = std::env::var(CHILD) {
        let (client, cache) = holder(NexusClientOptions::new("http://127.0.0.1:1"), "t");
        let fetched = client.authenticated_fetch(&cache, "ws", "p", &url, FetchOptions::default());
        println!("{}", fetched.unwrap_err());
        return;
    }
    let upstream = Server::start(|_| text(200, "secured"));
    let url = upstream.url("/").replace("http:", "https:");
    let other = include_bytes!("../support/authority_certificate.pem");
    let no_pem = "that SSL_CERT_FILE names has no complete certificate in PEM form; ";
    let with_bom = ["\u{feff}".as_bytes(), other].concat();
    let garbage = b"-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n";
    let table: [(&str, Option<&[u8]>, &str); 8] = [
        (
            "missing",
            None,
            "that SSL_CERT_FILE names cannot be read (No such file",
        ),
        ("empty", Some(b""), no_pem),
        ("text", Some(b"hello"), no_pem),
        ("der", Some(b"\x30\x82\x01\x8d"), no_pem),
        ("bom", Some(&with_bom), no_pem),
        ("garbage", Some(garbage), no_pem),
        ("cut", Some(&other[..200]), no_pem),
        (
            "other",
            Some(other),
            "; add the server's authority to SSL_CERT_FILE (",
        ),
    ];
    for (name, content, problem) in table {
        let file = written(name, content.unwrap_or_default());
        if content.is_none() {
            std::fs::remove_file(&file).unwrap();
        }
        let child = again(
            "an_ssl_cert_file_without_a_certificate_is_named_in_the_error",
            &url,
            &file,
        );
        let _ = std::fs::remove_file(&file);
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(
            said.contains(problem) && said.contains(file.to_str().unwrap()),
            "{name}: {said}"
        );
        assert!(
            said.contains("in PEM form, or set `agent`"),
            "{name}: {said}"
        );
    }
    let child = again(
        "an_ssl_cert_file_without_a_certificate_is_named_in_the_error",
        &url,
        std::path::Path::new(""),
    );
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(said.contains("SSL_CERT_FILE is empty"), "{said}");

    let folder = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tls_roots::an_ssl_cert_file_without_a_certificate_is_named_in_the_error",
            "--nocapture",
        ])
        .env("SSL_CERT_DIR", "/nowhere")
        .env_remove("SSL_CERT_FILE")
        .env(CHILD, &url)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&folder.stdout);
    let problem = "the folder /nowhere that SSL_CERT_DIR names cannot be read (No such file";
    assert!(said.contains(problem), "{said}");
}
