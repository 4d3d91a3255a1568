//! Bodies and responses over TLS.

use super::support::{Stream, accept, trust};
use super::*;

fn agent() -> Agent {
    settings().tls_config(trust()).build().new_agent()
}

/// Two responses to one request, in one burst.
fn burst(mut stream: Stream) -> io::Result<()> {
    read_head(&mut stream)?;
    for body in ["first".to_owned(), "forged".repeat(1_500)] {
        let length = body.len();
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.conn.writer().write_all(response.as_bytes())?;
    }
    let mut sealed = Vec::new();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut sealed)?;
    }
    stream.sock.write_all(&sealed)?;
    stream.sock.read_to_end(&mut Vec::new()).map(drop)
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
    let port = once(|socket| burst(accept(socket)));
    is_forged(&agent(), &format!("https://localhost:{port}/"));
}

/// Left to ureq: part of a record, which TLS has read and holds until the rest arrives.
#[test]
fn half_a_response_that_nobody_asked_for_becomes_the_next_one() {
    let port = once(move |socket| {
        let mut stream = accept(socket);
        read_head(&mut stream)?;
        let mut both = Vec::new();
        for body in ["first", "forged"] {
            let length = body.len();
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.conn.writer().write_all(response.as_bytes())?;
            while stream.conn.wants_write() {
                stream.conn.write_tls(&mut both)?;
            }
        }
        let late = both.split_off(both.len() - 9);
        stream.sock.write_all(&both)?;
        // The next request has begun to arrive.
        stream.sock.read_exact(&mut [0])?;
        stream.sock.write_all(&late)?;
        stream.sock.read_to_end(&mut Vec::new()).map(drop)
    });
    is_forged(&agent(), &format!("https://localhost:{port}/"));
}

/// The same as with a whole response, through a proxy.
#[test]
fn a_response_through_a_proxy_that_nobody_asked_for_becomes_the_next_one() {
    let port = once(move |mut socket| {
        read_head(&mut socket)?;
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        burst(accept(socket))
    });
    is_forged(
        &through(port, settings().tls_config(trust()))
            .build()
            .new_agent(),
        "https://localhost/",
    );
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
        let request = request.timeout_global(Some(LONG)).build();
        assert_eq!(
            request.call().unwrap().body_mut().read_to_string().unwrap(),
            "ok"
        );
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
