//! Times 200 requests on a pooled connection, with a lookup that takes 1 ms, with and without the cache.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

const REQUESTS: u32 = 200;

#[derive(Debug)]
struct Slow(SocketAddr);

impl Resolver for Slow {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        thread::sleep(Duration::from_millis(1));
        let mut found = self.empty();
        found.push(self.0);
        Ok(found)
    }
}

fn serve() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut writer = socket.try_clone()?;
                for line in BufReader::new(socket).lines() {
                    if line?.is_empty() {
                        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
                    }
                }
                std::io::Result::Ok(())
            });
        }
    });
    Ok(address)
}

fn time(agent: &Agent) -> Result<Duration, ureq::Error> {
    let start = Instant::now();
    for _ in 0..REQUESTS {
        agent
            .get("http://api.test/")
            .call()?
            .body_mut()
            .read_to_string()?;
    }
    Ok(start.elapsed() / REQUESTS)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = serve()?;
    let plain = Agent::with_parts(Config::default(), DefaultConnector::new(), Slow(address));
    let cached = lookup_cache::agent_with(
        Slow(address),
        Duration::from_secs(10),
        Duration::from_secs(2),
    );
    println!("without the cache: {:?} for each request", time(&plain)?);
    println!("with the cache:    {:?} for each request", time(&cached)?);
    Ok(())
}
