#!/bin/sh
# Runs the tests of examples/redis_lock against a real Redis server, on loopback and on a port of its own. Groups of processes
# that share no directory take turns through the server.
#
#   tests/interop/redis_lock.sh
#
# Installs redis-server with apt-get if it is missing, which needs root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

die() {
    echo "redis_lock: $*" >&2
    exit 1
}

if ! command -v redis-server >/dev/null; then
    apt-get update -q >/dev/null || die "cannot update the package lists"
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qy redis-server >/dev/null ||
        die "cannot install redis-server"
    # The package starts a server of its own, which is not needed.
    service redis-server stop >/dev/null 2>&1 || true
fi

work=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# Redis cannot choose a free port itself.
tries=0
until [ -n "$server" ]; do
    tries=$((tries + 1))
    [ $tries -le 20 ] || die "no free port: $(tail -n 3 "$work/log")"
    port=$((20000 + ($$ + tries * 977) % 40000))
    redis-server --bind 127.0.0.1 --port "$port" --save '' --appendonly no --dir "$work" >"$work/log" 2>&1 &
    server=$!
    until grep -q 'Ready to accept connections' "$work/log"; do
        kill -0 "$server" 2>/dev/null || { server=; break; }
        sleep 0.1
    done
done

REDIS_URL=redis://127.0.0.1:$port/ cargo test --locked --manifest-path "$root/Cargo.toml" -p redis_lock
