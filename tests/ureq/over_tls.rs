//! Bodies and responses over TLS.

use super::support::{Stream, accept, trust};
use super::*;

fn agent() -> Agent {
    settings().tls_config(trust()).build().new_agent()
}

/// Reads a request, and returns two responses to it as they are sent over TLS.
fn sealed(stream: &mut Stream, forged: &str) -> io::Result<Vec<u8>> {
    read_head(stream)?;
    let mut sealed = Vec::new();
    for body in ["first", forged] {
        let response = with_length("", body.as_bytes());
        stream.conn.writer().write_all(&response)?;
        while stream.conn.wants_write() {
            stream.conn.write_tls(&mut sealed)?;
        }
    }
    Ok(sealed)
}

fn is_forged(agent: &Agent, url: &str) {
    assert_eq!(get(agent, url).unwrap(), "first");
    let next = get(agent, url);
    let forged = matches!(&next, Ok(body) if body.starts_with("forged"));
    assert!(forged, "fixed: {next:?}");
}

/// Left to ureq: bytes that ureq has read from the socket, but TLS has not.
#[test]
fn a_response_that_nobody_asked_for_becomes_the_next_one() {
    let port = once(|socket| {
        let mut stream = accept(socket);
        let both = sealed(&mut stream, &"forged".repeat(1_500))?;
        stream.sock.write_all(&both)?;
        stream.sock.read_to_end(&mut Vec::new()).map(drop)
    });
    is_forged(&agent(), &format!("https://localhost:{port}/"));
}

/// Left to ureq: part of a record, which TLS has read and holds until the rest arrives.
#[test]
fn half_a_response_that_nobody_asked_for_becomes_the_next_one() {
    let port = once(move |socket| {
        let mut stream = accept(socket);
        let mut both = sealed(&mut stream, "forged")?;
        let late = both.split_off(both.len() - 9);
        stream.sock.write_all(&both)?;
        // The next request has begun to arrive.
        stream.sock.read_exact(&mut [0])?;
        stream.sock.write_all(&late)?;
        stream.sock.read_to_end(&mut Vec::new()).map(drop)
    });
    is_forged(&agent(), &format!("https://localhost:{port}/"));
}

/// Left to ureq: its connectors keep sessions once a request without settings of its own has opened a connection.
#[test]
fn requests_with_settings_of_their_own_resume_no_session() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        [(); 2].map(|()| {
            let (socket, _) = listener.accept().unwrap();
            let mut stream = accept(socket);
            read_head(&mut stream).unwrap();
            let response = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
            stream.write_all(response).unwrap();
            stream.conn.handshake_kind().unwrap()
        })
    });
    let agent = agent();
    for _ in 0..2 {
        let request = agent.get(format!("https://localhost:{port}/")).config();
        let mut response = request.timeout_global(Some(LONG)).build().call().unwrap();
        assert_eq!(response.body_mut().read_to_string().unwrap(), "ok");
    }
    let second = server.join().unwrap()[1];
    assert_eq!(second, rustls::HandshakeKind::Full, "fixed");
}

/// Left to ureq: TLS announces its end (RFC 8446 section 6.1).
#[test]
fn tls_that_is_cut_passes_for_the_end_of_a_body() {
    let port = once(move |socket| {
        let mut stream = accept(socket);
        read_head(&mut stream)?;
        stream.write_all(HALF)?;
        stream.flush()
    });
    let got = get(&agent(), &format!("https://localhost:{port}/"));
    assert!(matches!(got.as_deref(), Ok("half a bo")), "fixed: {got:?}");
}
