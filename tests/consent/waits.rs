//! What a redirect does for a wait: a look at the gateway at once, and nothing else.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use nexus_sdk::{ConnectionStatus, ConsentListener, NexusClient, WaitOptions};
use serde_json::json as value;

use super::browser::get;
use super::support::{LONG, Server, client, json};

/// A gateway whose connections are `pending` until they are made active.
fn gateway(active: &Arc<AtomicBool>) -> Server {
    let active = Arc::clone(active);
    Server::start(move |_| {
        let status = if active.load(Ordering::SeqCst) {
            "active"
        } else {
            "pending"
        };
        json(200, &value!({ "status": status }))
    })
}

/// Returns the status of `c-1` once `meanwhile` has run after the first look; another look is due after an hour.
fn wait(
    client: &NexusClient,
    listener: &ConsentListener,
    meanwhile: impl FnOnce() + Send,
) -> nexus_sdk::Result<ConnectionStatus> {
    let (looked, first_look) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            first_look.recv().unwrap();
            meanwhile();
        });
        let options = WaitOptions::default()
            .interval(Duration::from_secs(3600))
            .timeout(LONG)
            .on_poll(move |_| {
                let _ = looked.send(());
                ControlFlow::Continue(())
            })
            .consent(listener);
        client.wait_for_active("c-1", options)
    })
}

#[test]
fn a_browser_that_was_quicker_than_the_wait_counts() {
    let active = Arc::new(AtomicBool::new(true));
    let gateway = gateway(&active);
    let listener = ConsentListener::bind().unwrap();
    assert_eq!(
        get(&format!("{}?connection_id=c-1", listener.return_url())).status,
        200
    );
    let status = wait(&client(&gateway), &listener, || {});
    assert_eq!(status.unwrap(), ConnectionStatus::Active);
}

#[test]
fn the_redirect_proves_nothing() {
    let gateway = gateway(&Arc::default());
    let listener = ConsentListener::bind().unwrap();
    let url = format!("{}?connection_id=c-1&status=success", listener.return_url());
    let mut looks = 0;
    let options = WaitOptions::default()
        .interval(LONG)
        .timeout(LONG)
        .on_poll(|status| {
            assert_eq!(*status, ConnectionStatus::Pending);
            looks += 1;
            if looks == 2 {
                return ControlFlow::Break(());
            }
            assert_eq!(get(&url).status, 200);
            ControlFlow::Continue(())
        })
        .consent(&listener);
    let error = client(&gateway).wait_for_active("c-1", options);
    // The look that the redirect brought found what the gateway says, and nothing else.
    assert_eq!(error.unwrap_err().code(), "aborted");
    assert_eq!(looks, 2);
}

#[test]
fn the_redirect_for_its_connection_makes_the_wait_look_at_once() {
    let active = Arc::new(AtomicBool::new(false));
    let gateway = gateway(&active);
    let listener = ConsentListener::bind().unwrap();
    let status = wait(&client(&gateway), &listener, || {
        active.store(true, Ordering::SeqCst);
        let url = |id: &str| format!("{}?connection_id={id}", listener.return_url());
        assert_eq!(get(&url("c-2")).status, 404);
        assert_eq!(get(&url("c-1")).status, 200);
        assert_eq!(get(&url("c-1")).status, 404);
    });
    assert_eq!(status.unwrap(), ConnectionStatus::Active);
    assert_eq!(gateway.requests().len(), 2);
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
