#!/bin/sh
# Tests the MCP servers of the examples with the official clients. Prints a line for each client, and fails if one of them
# fails.
#
#   tests/interop/run.sh [SERVER [MINIMAL]]     the built examples; without arguments, cargo builds them
#
# Environment: PYTHON and NPM, the commands to use (default python3 and npm).
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/interop
python=${PYTHON:-python3}
npm=${NPM:-npm}

die() {
    echo "interop: $*" >&2
    exit 1
}

mkdir -p "$work" || die "cannot create $work"

# A complete folder has a file `stamp` that names its contents. Any other folder is created again.
made() { [ "$(cat "$1/stamp" 2>/dev/null)" = "$2" ]; }

python_with() {
    made "$work/$1" "$2" && return
    echo "installing $2 ..." >&2
    rm -rf "${work:?}/$1"
    "$python" -m venv "$work/$1" || die "$python cannot create a virtual environment; install python3-venv"
    "$work/$1/bin/python" -m pip install --quiet "$2" >&2 || die "cannot install $2"
    echo "$2" >"$work/$1/stamp"
}

node_with() {
    made "$work/node" "$*" && return
    echo "installing $* ..." >&2
    rm -rf "$work/node"
    mkdir -p "$work/node" || die "cannot create $work/node"
    echo '{"private": true}' >"$work/node/package.json"
    (cd "$work/node" && "$npm" install --no-audit --no-fund --loglevel=error "$@" >&2) || die "cannot install $*"
    echo "$*" >"$work/node/stamp"
}

# rmcp VERSION: builds the client in rmcp.rs with that minor version.
rmcp() {
    folder=$work/rmcp-$1
    mkdir -p "$folder/src" && cp "$here/rmcp.rs" "$folder/src/main.rs" || die "cannot write to $folder"
    cat >"$folder/Cargo.toml" <<EOF
[package]
name = "client"
edition = "2024"

[dependencies]
rmcp = { version = "~$1", default-features = false, features = ["client", "elicitation", "transport-child-process"] }
serde_json = "1"
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
ureq = { version = "3", default-features = false }

[workspace]
EOF
    (cd "$folder" && cargo build --quiet --target-dir "$folder/target") || die "cannot build the client with rmcp $1; see the error above"
}

python_with python-1 'mcp==1.30.*'
python_with python-2 'mcp==2.3.*'
# The inspector needs a newer Node than many systems have, so the npm package `node` provides one.
node_with @modelcontextprotocol/sdk@~1.32 @modelcontextprotocol/client@~2.4 @modelcontextprotocol/inspector@~2.12 node@22

# Up to version 3.8, rmcp needs an `elicitationId` in a request to open a page, although revision 2026-07-28 has none.
rmcp 3.8
rmcp 3.11

server=${1:-}
if [ -z "$server" ]; then
    (cd "$root" && cargo build --quiet -p mcp_stdio_server && cargo build --quiet --example mcp_minimal) ||
        die "cannot build the servers; see the error above"
    server=$target/debug/mcp_stdio_server
fi
minimal=${2:-$(dirname "$server")/examples/mcp_minimal}
for program in "$server" "$minimal"; do
    [ -x "$program" ] || die "$program is not a program; build it, or omit the arguments"
done

# Node looks for packages in `node_modules` beside a script, so the scripts are copied there.
cp "$here"/*.mjs "$work/node/" || die "cannot copy the scripts"
node=$work/node/node_modules/.bin/node
passed=0
failed=0

# The API key that the clients enter into the form.
secret=k-0123456789-not-for-clients
export MCP_SERVER="$server" MCP_MINIMAL="$minimal" MCP_WRAPPER="$here/server.sh" MCP_STATUS="$work/status" MCP_SAID="$work/said" MCP_SECRET="$secret" \
    MCP_INSPECTOR="$work/node/node_modules/.bin/mcp-inspector"

# client NAME COMMAND ..: runs a client. The client starts the servers through MCP_WRAPPER, which writes their exit codes to
# the file MCP_STATUS and their output to the file MCP_SAID.
client() {
    name=$1
    shift
    : >"$MCP_STATUS"
    : >"$MCP_SAID"
    if timeout -k 5 120 "$@" >"$work/log" 2>&1 && ended_well && said_no_secret; then
        passed=$((passed + 1))
        echo "ok      $name: $(tail -n 1 "$work/log")"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        sed 's/^/        /' "$work/log"
        echo "        exit codes of the server: $(tr '\n' ' ' <"$MCP_STATUS")"
        said_no_secret || echo "        the server has revealed the secret"
    fi
}

ended_well() { [ -s "$MCP_STATUS" ] && ! grep -qv '^0$' "$MCP_STATUS"; }
said_no_secret() { [ -s "$MCP_SAID" ] && ! grep -q "$secret" "$MCP_SAID"; }

client 'Python 1.x' "$work/python-1/bin/python" "$here/python_1.py"
# The servers again, below a wrapper, which makes their pipes non-blocking.
for program in "$server" "$minimal"; do
    through=$work/node/$(basename "$program")
    printf '#!/bin/sh\nexec "%s" "%s" "%s" "$@"\n' "$node" "$work/node/wrapper.mjs" "$(realpath "$program")" >"$through"
    chmod +x "$through"
done
MCP_SERVER=$work/node/$(basename "$server") MCP_MINIMAL=$work/node/$(basename "$minimal")
client 'Python 1.x, through Node' "$work/python-1/bin/python" "$here/python_1.py"
MCP_SERVER=$server MCP_MINIMAL=$minimal
for mode in auto legacy 2026-07-28; do
    client "Python 2.x, $mode" "$work/python-2/bin/python" "$here/python_2.py" "$mode"
done
client 'TypeScript 1.x' "$node" "$work/node/typescript_1.mjs"
for mode in legacy auto 2026-07-28; do
    client "TypeScript 2.x, $mode" "$node" "$work/node/typescript_2.mjs" "$mode"
done
for version in 3.8 3.11; do
    for mode in legacy auto 2026-07-28; do
        client "Rust $version, $mode" "$work/rmcp-$version/target/debug/client" "$mode"
    done
done
for era in legacy auto modern; do
    client "inspector, $era" "$node" "$work/node/inspector.mjs" "$era"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
