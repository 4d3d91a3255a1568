//! Connections that are cut, proxies that refuse, and hosts that are not found: whether a request may be sent again.

use super::*;

/// Serves connections that end without a response, except for requests to `/ok`, and counts them.
fn cutting() -> (u16, Arc<AtomicUsize>) {
    counted(|_, mut socket| {
        while head(&mut socket)?.starts_with("GET /ok ") {
            socket.write_all(&ok("whole"))?;
        }
        Ok(())
    })
}

/// A connection that is cut may have been a pooled one only if there was a response before.
#[test]
fn a_cut_connection_is_replaced_once_if_there_was_a_response_before() {
    // (responded before, POST, may refresh, connections)
    let table = [
        (false, false, false, 1),
        (true, false, false, 2),
        (true, true, false, 1),
        // It connects anew, so its connection is not a pooled one.
        (true, false, true, 2),
    ];
    for (responded, is_post, may_refresh, expected) in table {
        let (port, connections) = cutting();
        let transport = unchanged();
        let url = |path| format!("http://127.0.0.1:{port}/{path}");
        if responded {
            assert_eq!(get(url("ok")).body_of(&transport), "whole");
        }
        let mut asked = if is_post {
            post(url(""), "x")
        } else {
            get(url(""))
        };
        asked.may_refresh = may_refresh;
        let error = asked.sent(&transport).err().unwrap();
        assert!(error.message().contains("closed the connection early"));
        assert!(error.code() == "request_failed" && error.is_retryable());
        let case = format!("{responded} {is_post} {may_refresh}");
        assert_eq!(connections.load(Ordering::SeqCst), expected, "{case}");
    }
}

#[test]
fn a_post_is_sent_again_only_if_it_was_not_sent() {
    let (cutting, _) = cutting();
    let cut = format!("http://127.0.0.1:{cutting}/");
    let table = [
        // Nothing listens on this port of loopback.
        ("http://127.0.0.1:1/", true, "connection refused"),
        (
            "http://nobody.invalid/",
            true,
            "could not be looked up; check",
        ),
        (&cut, false, "closed the connection early"),
    ];
    for (url, allowed, part) in table {
        let refresh = get(url).refreshing();
        for asked in [post(url, "x"), refresh] {
            let failure = asked.sent(&unchanged()).err().unwrap();
            assert_eq!(failure.may_repeat(), allowed, "{url}");
        }
        let failure = get(url).sent(&unchanged()).err().unwrap();
        assert!(failure.may_repeat(), "{url}");
        assert!(failure.message().contains(part), "{failure}");
    }
}

#[test]
fn a_proxy_that_makes_no_connection_is_named_as_the_cause() {
    let connect = ". An http URL needs CONNECT as well, which many proxies allow only to port 443: use an https URL, or \
                   allow CONNECT to this port";
    let port = ". Many proxies allow CONNECT only to port 443: allow it to this port";
    let table = [
        ("http", "", "did not respond", "", true),
        ("http", "403", "responded 403", connect, true),
        ("http", "405", "responded 405", connect, true),
        ("http", "501", "responded 501", connect, true),
        ("http", "500", "responded 500", "", true),
        ("http", "503", "responded 503", "", true),
        ("http", "407", "responded 407", "", false),
        ("https", "403", "responded 403", "", true),
        ("https", "400", "responded 400", port, true),
    ];
    for (scheme, status, reason, advice, retryable) in table {
        let suffix = if advice == port { ":8443" } else { "" };
        if scheme == "https" && cfg!(not(any(feature = "rustls", feature = "native-tls"))) {
            continue;
        }
        let proxy = serve(move |mut socket| {
            head(&mut socket)?;
            if status.is_empty() {
                return Ok(());
            }
            socket.write_all(format!("HTTP/1.1 {status} No\r\n\r\n").as_bytes())
        });
        let transport = transport(through(proxy));
        let failure = post(format!("{scheme}://example.test{suffix}/"), "body").sent(&transport);
        let failure = failure.err().unwrap();
        let general = match status {
            "407" => "put the right user name and password into the proxy's URL",
            _ => "check the proxy settings",
        };
        let expected = format!(
            "{scheme}://example.test{suffix}: no connection through the proxy: proxy server {reason}; {general}{advice}"
        );
        assert_eq!(failure.message(), expected);
        assert_eq!(failure.may_repeat(), retryable, "{reason}");
    }
}

/// A pooled tunnel that was closed while it was idle is not used.
#[test]
fn a_post_goes_out_anew_where_the_tunnel_was_closed_while_idle() {
    let (closed, was_closed) = std::sync::mpsc::channel();
    let (port, connections) = counted(move |earlier, mut socket| {
        tunnel(&mut socket)?;
        head(&mut socket)?;
        socket.write_all(&ok("whole"))?;
        drop(socket);
        if earlier == 0 {
            closed.send(()).unwrap();
        }
        Ok(())
    });
    let transport = transport(through(port));
    let url = "http://example.test/";
    assert_eq!(get(url).body_of(&transport), "whole");
    was_closed.recv().unwrap();
    assert_eq!(post(url, "x").body_of(&transport), "whole");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}
