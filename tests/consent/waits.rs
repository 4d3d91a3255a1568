//! What a redirect does for a wait: a look at the gateway at once, and nothing else.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;

use nexus_sdk::{ConnectionStatus, ConsentListener, NexusError, WaitOptions};
use serde_json::json as value;

use super::browser::get;
use super::support::{LONG, Server, client, json};

#[test]
fn the_redirect_for_its_connection_makes_the_wait_look_at_once_and_proves_nothing() {
    for (status, error) in [("active", None), ("pending", Some("aborted"))] {
        let replies = ["pending", status].map(|status| json(200, &value!({ "status": status })));
        let gateway = Server::play(replies.to_vec());
        let listener = ConsentListener::bind().unwrap();
        let url = |id: &str| {
            format!(
                "{}?connection_id={id}&status=success",
                listener.return_url()
            )
        };
        let options = WaitOptions::default()
            .interval(LONG)
            .timeout(LONG)
            .on_poll(|status| {
                if gateway.requests().len() == 1 {
                    for (id, status) in [("c-2", 404), ("c-1", 200), ("c-1", 404)] {
                        assert_eq!(get(&url(id)).status, status, "{id}");
                    }
                } else if *status == ConnectionStatus::Pending {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })
            .consent(&listener);
        let found = client(&gateway).wait_for_active("c-1", options);
        assert_eq!(found.as_ref().err().map(NexusError::code), error);
        assert_eq!(gateway.requests().len(), 2);
    }
}

/// The next look waits for its turn, because two requests at once could refresh the connection's token twice.
#[test]
fn the_redirect_during_a_look_that_hangs_brings_the_next_look_at_once() {
    let (returned, has_returned) = mpsc::channel();
    let has_returned = Mutex::new(has_returned);
    let looks = AtomicUsize::new(0);
    let gateway = Server::start(move |_| {
        if looks.fetch_add(1, Ordering::SeqCst) > 0 {
            return json(200, &value!({ "status": "active" }));
        }
        has_returned.lock().unwrap().recv().unwrap();
        json(200, &value!({ "status": "pending" }))
    });
    let listener = ConsentListener::bind().unwrap();
    let options = WaitOptions::default().interval(LONG).timeout(LONG);
    let options = options.consent(&listener);
    let status = thread::scope(|scope| {
        let client = client(&gateway);
        let wait = scope.spawn(move || client.wait_for_active("c-1", options));
        while gateway.requests().is_empty() {
            thread::yield_now();
        }
        let url = format!("{}?connection_id=c-1", listener.return_url());
        assert_eq!(get(&url).status, 200);
        returned.send(()).unwrap();
        wait.join().unwrap()
    });
    assert_eq!(status.unwrap(), ConnectionStatus::Active);
    assert_eq!(gateway.requests().len(), 2);
}
