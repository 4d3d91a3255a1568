//! Runs the `watch` example.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

#[path = "support/example.rs"]
mod example;

#[test]
fn failures_are_counted_by_workspace_provider_and_code() {
    let output = example::program("watch").output().unwrap();
    let out = String::from_utf8(output.stdout.clone()).unwrap();
    let (first, counters) = out.split_once('\n').unwrap();
    let named = "# connection_not_found: workspace \"acme\", provider \"githb\": ";
    assert!(first.starts_with(named), "{out}");
    let expected = "\
# TYPE nexus_gateway_failures_total counter
nexus_gateway_failures_total{operation=\"resolve\",workspace=\"acme\",provider=\"githb\",code=\"connection_not_found\"} 1
nexus_gateway_failures_total{operation=\"resolve\",workspace=\"acme\",provider=\"github\",code=\"http_503\"} 2
";
    // A refusal may be confirmed by another request.
    let counters = counters.replace("connection_not_found\"} 2", "connection_not_found\"} 1");
    assert_eq!(counters, expected);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}
