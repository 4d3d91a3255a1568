#!/bin/sh
# Runs tests/proxies through real servers and proxies: nginx, HAProxy, Squid and Dante. They listen on loopback, and stop when
# the script ends. Prints a table. Fails if a response belongs to another request, or if there is an unexpected error.
#
#   tests/interop/proxies.sh
#
# Installs missing programs with apt-get. While the script runs, /etc/hosts has two more names, because requests to localhost
# bypass every proxy. Both steps need root.
#
# Environment: FEATURES (default platform-verifier,socks-proxy); CALLS, the number of calls for most rows (default 1000).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
features=${FEATURES:-platform-verifier,socks-proxy}
calls=${CALLS:-1000}
PATH=$PATH:/usr/sbin

die() {
    echo "proxies: $*" >&2
    exit 1
}

packages=
for pair in nginx:nginx haproxy:haproxy squid:squid-openssl danted:dante-server openssl:openssl python3:python3; do
    command -v "${pair%%:*}" >/dev/null || packages="$packages ${pair#*:}"
done
if [ -n "$packages" ]; then
    apt-get update -q >/dev/null || die "cannot update the package lists"
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -qy $packages >/dev/null || die "cannot install$packages"
    # The packages have started their services.
    for name in nginx haproxy squid danted; do service $name stop >/dev/null 2>&1 || true; done
fi

driver=$(cd "$root" && cargo test --quiet --no-run --features "$features" --test proxies --message-format=json |
    sed -n 's/.*"executable":"\([^"]*proxies-[^"]*\)".*/\1/p' | tail -n 1)
[ -x "$driver" ] || die "cannot build the test program; see the error above"

work=$(mktemp -d)
chmod 755 "$work"
hosts=/etc/hosts
mark='# nexus proxies.sh'
pids=
cleanup() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    grep -v "$mark" "$hosts" >"$work/hosts" && cat "$work/hosts" >"$hosts"
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

cat >>"$hosts" <<END
127.0.0.1 upstream.test $mark
127.0.0.9 dead.test $mark
127.0.0.1 dead.test $mark
END

# A certificate authority, and its certificate for the names of the upstreams.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=test authority" \
    -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" \
    -keyout "$work/key.pem" -out "$work/request.pem" 2>/dev/null
printf 'subjectAltName=DNS:localhost,DNS:upstream.test,DNS:dead.test,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >"$work/names"
openssl x509 -req -in "$work/request.pem" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
    -extfile "$work/names" -out "$work/cert.pem" 2>/dev/null
cat "$work/cert.pem" "$work/key.pem" >"$work/both.pem"

# Free ports.
ports=$(python3 -c '
import socket
sockets = [socket.socket() for _ in range(14)]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in sockets])')
# shellcheck disable=SC2086
set -- $ports
http10=$1 tls12=$2 tls13=$3 short=$4 plain=$5 via10=$6 haproxy=$7 open=$8
shift 8
guarded=$1 socks=$2 haplain=$3 denied=$4 deniedplain=$5 usual=$6

start() {
    "$@" >"$work/log.$$" 2>&1 &
    pids="$pids $!"
}
listens() {
    for _ in $(seq 100); do
        python3 -c "import socket; socket.create_connection(('127.0.0.1', $1), 1)" 2>/dev/null && return
        sleep 0.1
    done
    cat "$work"/log.* >&2
    die "nothing listens on port $1"
}

start python3 "$here/upstream.py" "$http10"

server() { # PORT TLS SETTINGS
    echo "server { listen 127.0.0.1:$1 $2; $3
        location /echo/ { if (\$request_method ~ ^P) { rewrite ^ /post last; } default_type text/plain; return 200 \$request_uri; }
        location = /post { internal; proxy_pass http://127.0.0.1:$http10; } }"
}
cat >"$work/nginx.conf" <<END
daemon off; worker_processes 2; pid $work/nginx.pid; error_log $work/nginx.log;
events { worker_connections 1024; }
http {
    access_log off; ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem;
    client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/f;
    uwsgi_temp_path $work/u; scgi_temp_path $work/s; large_client_header_buffers 4 16k;
    $(server "$tls12" ssl 'ssl_protocols TLSv1.2;')
    $(server "$tls13" ssl 'ssl_protocols TLSv1.3;')
    $(server "$short" ssl 'keepalive_requests 7; keepalive_timeout 1s;')
    $(server "$plain" '' '')
    server { listen 127.0.0.1:$via10 ssl; location / { proxy_pass http://127.0.0.1:$http10; } }
}
END
start nginx -c "$work/nginx.conf"

cat >"$work/haproxy.cfg" <<END
global
    nbthread 2
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
# HAProxy also applies this timeout to the first request, which a busy machine can send later than that.
frontend all
    timeout http-keep-alive 40ms
    bind 127.0.0.1:$haproxy ssl crt $work/both.pem
    bind 127.0.0.1:$haplain
    default_backend all
frontend denied
    bind 127.0.0.1:$denied ssl crt $work/both.pem
    bind 127.0.0.1:$deniedplain
    http-request deny deny_status 413
backend all
    server nginx 127.0.0.1:$plain
END
start haproxy -db -f "$work/haproxy.cfg"
haproxy_pid=$!

echo "user:$(openssl passwd -apr1 secret)" >"$work/passwords"
chmod 644 "$work/passwords"
cat >"$work/squid.conf" <<END
http_port 127.0.0.1:$open name=open
http_port 127.0.0.1:$guarded name=guarded
http_port 127.0.0.1:$usual name=usual
auth_param basic program /usr/lib/squid/basic_ncsa_auth $work/passwords
acl open myportname open
acl usual myportname usual
acl SSL_ports port 443
http_access deny usual CONNECT !SSL_ports
http_access allow usual
acl known proxy_auth REQUIRED
http_access allow open
http_access allow known
http_access deny all
cache deny all
access_log none
cache_log $work/squid.log
pid_filename none
shutdown_lifetime 0 seconds
pinger_enable off
END
touch "$work/squid.log" && chmod 666 "$work/squid.log"
start squid -N -f "$work/squid.conf"

cat >"$work/danted.conf" <<END
errorlog: $work/danted.log
internal: 127.0.0.1 port = $socks
external: 127.0.0.1
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
END
start danted -N 2 -f "$work/danted.conf"

for port in $http10 $tls12 $plain $haproxy $open $guarded $usual $socks; do listens "$port"; done

failed=0
run() { # NAME URL METHODS [VARIABLE=VALUE]...
    name=$1 url=$2 methods=$3
    shift 3
    env -u NO_PROXY -u no_proxy -u HTTP_PROXY -u http_proxy -u HTTPS_PROXY -u https_proxy -u ALL_PROXY -u all_proxy \
        -u SSL_CERT_DIR SSL_CERT_FILE="$work/ca.pem" NEXUS_CASE="$name" NEXUS_URL="$url" NEXUS_METHODS="$methods" \
        NEXUS_CALLS="$calls" "$@" timeout 120 "$driver" --ignored --nocapture --quiet >"$work/out" 2>&1 || {
        failed=$((failed + 1))
        tail -n 20 "$work/out" >&2
    }
    grep '^|' "$work/out" || true
}
# Runs a row, and an action every 0.3 s until the row ends.
meanwhile() { # ACTION NAME URL METHODS [VARIABLE=VALUE]...
    action=$1
    shift
    (while sleep 0.3; do $action || true; done) >/dev/null 2>&1 &
    disturbing=$!
    run "$@"
    kill $disturbing 2>/dev/null || true
    wait $disturbing 2>/dev/null || true
}
reload() { nginx -c "$work/nginx.conf" -s reload; }
restart() {
    old=$(cat "$work/haproxy.pid")
    kill -9 "$old" || true
    while kill -0 "$old"; do sleep 0.01; done
    haproxy -db -f "$work/haproxy.cfg" >/dev/null 2>&1 &
    echo $! >"$work/haproxy.pid"
    # On a busy machine, HAProxy can take longer than 0.3 s to start. Without this wait, it would be killed before it listens.
    listens "$haproxy"
}

echo "| through                            | calls |     s | outcomes |"
echo "|------------------------------------|------:|------:|----------|"
run "nginx, TLS 1.2" "https://localhost:$tls12" GET,HEAD,POST,PUT
run "nginx, TLS 1.3" "https://localhost:$tls13" GET,HEAD,POST,PUT
run "nginx, keep-alive of 7 requests" "https://localhost:$short" GET,HEAD,PUT NEXUS_PAUSE_MS=20
meanwhile reload "nginx, reloaded every 0.3 s" "https://localhost:$tls13" GET,HEAD NEXUS_PAUSE_MS=30
# Waits until the replaced workers have closed their idle connections, because the SDK does not send a POST again.
sleep 1
run "nginx, HTTP/1.0 upstream" "https://localhost:$via10" GET,POST
run "nginx, first address dead" "https://dead.test:$tls13" GET,HEAD,POST
run "HAProxy, idle for 40 ms at most" "https://localhost:$haproxy" GET,HEAD,PUT NEXUS_PAUSE_MS=41
run "HAProxy, plain http" "http://localhost:$haplain" GET,HEAD,PUT NEXUS_PAUSE_MS=40
calls=60 run "HAProxy, uploads that it denies" "https://localhost:$denied" POST,PUT NEXUS_EXPECT=413 NEXUS_LARGEST=1000
calls=60 run "HAProxy, the same, plain http" "http://localhost:$deniedplain" POST,PUT NEXUS_EXPECT=413 NEXUS_LARGEST=1000
echo "$haproxy_pid" >"$work/haproxy.pid"
meanwhile restart "HAProxy, killed every 0.3 s" "https://localhost:$haproxy" GET,HEAD NEXUS_PAUSE_MS=30
pids="$pids $(cat "$work/haproxy.pid")"
run "Squid, CONNECT" "https://upstream.test:$tls13" GET,HEAD,POST ALL_PROXY="http://localhost:$open"
run "Squid, CONNECT, plain http" "http://upstream.test:$plain" GET,HEAD,POST ALL_PROXY="http://localhost:$open"
run "Squid, CONNECT, short keep-alive" "https://upstream.test:$short" GET,HEAD,PUT ALL_PROXY="http://localhost:$open" NEXUS_PAUSE_MS=20
run "Squid, CONNECT, password" "https://upstream.test:$tls13" GET,POST ALL_PROXY="http://user:secret@localhost:$guarded"
calls=20 run "Squid, CONNECT, wrong password" "https://upstream.test:$tls13" POST ALL_PROXY="http://user:wrong@localhost:$guarded" NEXUS_EXPECT="no connection through the proxy: proxy server responded 407"
# Squid's default settings. curl gets a response, because it sends a request for an http URL to the proxy itself.
calls=20 run "Squid, CONNECT only to port 443" "http://upstream.test:$plain" GET ALL_PROXY="http://localhost:$usual" NEXUS_EXPECT="proxy server responded 403; check the proxy settings. An http URL needs CONNECT as well"
run "Dante, SOCKS5" "https://upstream.test:$tls13" GET,HEAD,POST ALL_PROXY="socks5://localhost:$socks"
run "Dante, SOCKS5, names by the proxy" "https://upstream.test:$tls13" GET,HEAD,POST ALL_PROXY="socks5h://localhost:$socks"
[ $failed = 0 ] || die "$failed rows failed; see the output above"
