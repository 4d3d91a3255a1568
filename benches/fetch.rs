//! Compares `authenticated_fetch`, whose token is in the cache, with bare ureq. In some cases, bare ureq has a timeout,
//! as the SDK always does.

use std::cell::RefCell;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use criterion::Criterion;
use rustix::time::{ClockId, clock_gettime};
use support::server::Server;
use support::{
    Goal, Pair, Report, Unit, bare_fetch, compare, nanos, on_threads, our_fetch, per_call, quantile,
};

/// The number of calls that each thread makes in one turn. The turns of the SDK and of bare ureq alternate.
const CALLS: u64 = 200;

fn main() {
    let server = Server::start(Duration::ZERO);
    let mut criterion = support::criterion();
    let mut report = Report::default();
    for case in cases() {
        case.run(&server, &mut criterion, &mut report);
    }
    criterion.final_summary();
    report.print();
}

struct Case {
    scheme: &'static str,
    host: &'static str,
    threads: usize,
    /// The number of idle connections that bare ureq may keep per host. ureq's default is 3. Its limit of 10 idle
    /// connections in total stays.
    idle: usize,
    /// True if bare ureq has a `timeout_global`. The SDK always has a timeout.
    timed: bool,
    /// The goal: the SDK's requests per second, divided by bare ureq's, must be at least this.
    least: f64,
}

fn cases() -> Vec<Case> {
    let table = [
        ("127.0.0.1", 1, 16, false, 0.93),
        ("127.0.0.1", 8, 16, false, 0.93),
        ("127.0.0.1", 8, 3, false, 0.93),
        ("127.0.0.1", 1, 16, true, 1.0),
        ("127.0.0.1", 8, 16, true, 1.0),
        ("localhost", 1, 16, false, 0.9),
    ];
    let cases = support::SCHEMES.iter().flat_map(|scheme| {
        table.map(|(host, threads, idle, timed, least)| Case {
            scheme,
            host,
            threads,
            idle,
            timed,
            least,
        })
    });
    cases.collect()
}

impl Case {
    fn name(&self) -> String {
        let Self {
            scheme,
            host,
            threads,
            idle,
            timed,
            ..
        } = self;
        let timeout = if *timed {
            ", its timeout_global: 30 s"
        } else {
            ""
        };
        format!(
            "{scheme}://{host}, threads: {threads}, ureq's idle connections per host: at most {idle}{timeout}"
        )
    }

    fn run(&self, server: &Server, criterion: &mut Criterion, report: &mut Report) {
        let url = format!("{}/user", server.origin(self.scheme, self.host));
        let timeout = self.timed.then_some(Duration::from_secs(30));
        let (bare, ours) = (bare_fetch(self.idle, timeout, url.clone()), our_fetch(url));
        let block = CALLS * u64::try_from(self.threads).unwrap();
        // The first turn opens the connections and is not counted.
        Side::default().turn(self.threads, block, &bare);
        Side::default().turn(self.threads, block, &ours);

        let (floor, sdk) = (Side::default(), Side::default());
        let times = compare(
            criterion,
            &self.name(),
            block,
            |calls| floor.turn(self.threads, calls, &bare),
            |calls| sdk.turn(self.threads, calls, &ours),
        );
        self.tell(report, &times, floor, sdk);
    }

    fn tell(&self, report: &mut Report, times: &Pair, floor: Side, ours: Side) {
        let name = self.name();
        let rates = times.map(|nanos| 1e9 / nanos);
        report.medians(
            2,
            name.clone(),
            Unit::PerSecond,
            &rates,
            Goal::AtLeast(self.least),
        );
        let p99s = Pair::of(floor.p99.into_inner(), ours.p99.into_inner());
        report.medians(
            2,
            format!("{name}: p99"),
            Unit::Nanos,
            &p99s,
            Goal::AtMost(1.2),
        );
        let cpu = Pair::of(floor.cpu.into_inner(), ours.cpu.into_inner());
        report.medians(
            2,
            format!("{name}: CPU"),
            Unit::Nanos,
            &cpu,
            Goal::AtMost(1.12),
        );
    }
}

/// The measurements of one side, the SDK or bare ureq, apart from the time of each turn.
#[derive(Default)]
struct Side {
    /// The p99 of each turn. The report shows their median, so an occasional disturbance of the machine hardly matters.
    p99: RefCell<Vec<f64>>,
    /// The CPU time per call, of this process alone. The server is another process.
    cpu: RefCell<Vec<f64>>,
}

impl Side {
    /// Runs the calls on the threads, records their p99 and CPU time, and returns the time that they took.
    fn turn(&self, threads: usize, calls: u64, call: &(impl Fn() + Sync)) -> Duration {
        let each = calls / u64::try_from(threads).unwrap();
        let all = Mutex::new(Vec::new());
        let cpu = process_cpu();
        let time = on_threads(threads, || {
            let latencies: Vec<f64> = (0..each).map(|_| latency(call)).collect();
            all.lock().unwrap().extend(latencies);
        });
        let used = process_cpu().saturating_sub(cpu);
        let p99 = quantile(all.into_inner().unwrap(), 0.99);
        self.p99.borrow_mut().push(p99);
        self.cpu.borrow_mut().push(per_call(used, calls));
        time
    }
}

fn latency(call: impl Fn()) -> f64 {
    let start = Instant::now();
    call();
    nanos(start.elapsed())
}

fn process_cpu() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}
