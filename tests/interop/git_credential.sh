#!/bin/sh
# Clones with git over https, from a server that requires the token from `nexus git-credential`.
#
#   tests/interop/git_credential.sh [NEXUS]     NEXUS is the program to test; by default, cargo builds it
#
# Needs git, openssl and Python. Environment: PYTHON, the Python command to use (default python3).
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}

die() {
    echo "git_credential: $*" >&2
    exit 1
}

for tool in git openssl "${PYTHON:-python3}"; do
    command -v "$tool" >/dev/null || die "$tool is not installed"
done
nexus=${1:-}
if [ -z "$nexus" ]; then
    (cd "$root" && cargo build --quiet -p nexus-gateway-cli) || die "cannot build nexus; see the error above"
    nexus=$target/debug/nexus
fi
[ -x "$nexus" ] || die "$nexus is not a program; build nexus, or omit the argument"

work=$(mktemp -d) || die "cannot make a directory"
gateway='' server=''
trap 'kill $gateway $server 2>/dev/null; rm -rf "$work"' EXIT

# Waits until a program has written to a file, and prints the file's first line.
first_line() {
    tries=0
    until [ -s "$1" ]; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || die "nothing was written to $1 within 30 s: $(cat "$work/log")"
        sleep 0.1
    done
    head -n 1 "$1"
}

"$nexus" gateway acme:git >"$work/gateway" 2>"$work/log" &
gateway=$!
NEXUS_GATEWAY_URL=$(first_line "$work/gateway") || exit 1
export NEXUS_GATEWAY_URL WORKSPACE_ID=acme PROVIDER=git NEXUS_LOCK_DIR=''
token=$("$nexus" token --show) || die "nexus printed no token"

# A repository that git can clone from plain files, and a server with a self-signed certificate.
export HOME="$work" GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b \
    GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q "$work/made" && echo cloned >"$work/made/file" && git -C "$work/made" add file &&
    git -C "$work/made" commit -qm one && git clone -q --bare "$work/made" "$work/served/repo.git" &&
    git -C "$work/served/repo.git" update-server-info || die "cannot make a repository"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$work/key" -out "$work/cert" 2>"$work/log" || die "cannot make a certificate: $(cat "$work/log")"
TOKEN=$token "${PYTHON:-python3}" "$here/git_credential.py" "$work/served" "$work/cert" "$work/key" >"$work/port" 2>"$work/log" &
server=$!
host=localhost:$(first_line "$work/port") || exit 1

# The configuration from the README of nexus, with the path of this build, and without the options that the environment sets.
cat >"$work/.gitconfig" <<EOF
[credential "https://$host"]
    helper =
    helper = !$nexus git-credential --host $host
EOF
export GIT_SSL_CAINFO="$work/cert" NO_PROXY=localhost,127.0.0.1 no_proxy=localhost,127.0.0.1
timeout -k 5 60 git clone -q "https://$host/repo.git" "$work/clone" || die "git cannot clone: $(cat "$work/log")"
[ "$(cat "$work/clone/file")" = cloned ] || die "the clone is incomplete"
grep -q '" 401 ' "$work/log" || die "the server asked for no credential"
grep -rqF "$token" "$work" && die "the token is on disk: $(grep -rlF "$token" "$work")"

# Without the helper, git cannot clone.
git -c "credential.https://$host.helper=" clone -q "https://$host/repo.git" "$work/other" 2>/dev/null && die "cloned without the helper"
# Programs on Windows write CRLF, which git itself accepts as well.
request() { printf 'protocol=https\r\nhost=%s\r\n\r\n' "$host"; }
filled=$(request | git credential fill 2>/dev/null)
echo "$filled" | grep -qxF "password=$token" || die "git credential fill has no token: $filled"
given=$(request | "$nexus" git-credential --host "$host" get)
echo "$given" | grep -qxF "password=$token" || die "no token for a request with CRLF: $given"

# A parent such as Node shares pipes that are non-blocking. The request arrives late, and in two parts.
"${PYTHON:-python3}" - "$nexus" "$host" "$token" <<'EOF' || die "no token for a request on a non-blocking stdin"
import os, subprocess, sys, time

nexus, host, token = sys.argv[1:]
end, start = os.pipe()
os.set_blocking(end, False)
helper = subprocess.Popen([nexus, "git-credential", "--host", host, "get"], stdin=end, stdout=subprocess.PIPE)
for part in ["protocol=https\nho", f"st={host}\n\n"]:
    time.sleep(0.3)
    os.write(start, part.encode())
given = helper.communicate()[0].decode()
sys.exit(helper.returncode or f"password={token}\n" not in given)
EOF

echo "ok      $(git --version): cloned over https with the token of nexus git-credential"
