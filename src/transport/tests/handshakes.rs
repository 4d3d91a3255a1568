//! TLS handshakes with servers that the client cannot talk to.

use super::tls;
use super::*;

#[test]
fn a_handshake_that_fails_says_what_to_do() {
    for provider in tls::providers() {
        let plain = serve(|mut socket| {
            let _ = socket.read(&mut [0; 4_096])?;
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        });
        let transport = transport(tls::trusting(provider));
        let error = get(format!("https://127.0.0.1:{plain}/")).sent(&transport);
        let error = error.err().unwrap();
        let advice = "; check that the server expects https on this port, not http";
        assert!(error.message().ends_with(advice), "{provider:?}: {error}");
        assert!(!error.is_retryable(), "{provider:?}");
    }
}

#[test]
fn a_server_that_is_not_trusted_is_an_error_with_advice() {
    let port = serve(|socket| head(&mut tls::accept(socket)).map(drop));
    let transport = unchanged();
    let error = get(format!("https://127.0.0.1:{port}/")).sent(&transport);
    let error = error.err().unwrap();
    let advice = "add its authority to the system's certificates and enable the feature `platform-verifier`, or set `agent`";
    if cfg!(feature = "native-tls") {
        // Other systems have other words.
        assert!(!cfg!(target_os = "linux") || error.message().ends_with(advice));
        return;
    }
    let problem = "invalid peer certificate: UnknownIssuer";
    let expected = format!("https://127.0.0.1:{port}: {problem}; {advice}");
    assert_eq!(error.message(), expected);
}
