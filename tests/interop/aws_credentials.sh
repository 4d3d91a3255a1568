#!/bin/sh
# Has botocore, which the AWS CLI and boto3 use, get its keys from `nexus aws-credentials`.
#
#   tests/interop/aws_credentials.sh [NEXUS]     NEXUS is the program to test; by default, cargo builds it
#
# Environment: PYTHON, the Python command to use (default python3).
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/interop/botocore
package='botocore==1.44.*'

die() {
    echo "aws_credentials: $*" >&2
    exit 1
}

nexus=${1:-}
if [ -z "$nexus" ]; then
    (cd "$root" && cargo build --quiet -p nexus-gateway-cli) || die "cannot build nexus; see the error above"
    nexus=$target/debug/nexus
fi
[ -x "$nexus" ] || die "$nexus is not a program; build nexus, or omit the argument"

if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$package" ]; then
    rm -rf "$venv"
    mkdir -p "$target/interop"
    "${PYTHON:-python3}" -m venv "$venv" || die "cannot make a virtual environment; install python3-venv"
    "$venv/bin/python" -m pip install --quiet "$package" >&2 || die "cannot install $package"
    echo "$package" >"$venv/stamp"
fi

work=$(mktemp -d) || die "cannot make a directory"
"$nexus" gateway --json acme:cloud=aws_sigv4 >"$work/gateway" 2>/dev/null &
gateway=$!
trap 'kill $gateway; rm -rf "$work"' EXIT
tries=0
until [ -s "$work/gateway" ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || die "the gateway did not start within 30 s"
    sleep 0.1
done

# The configuration from the manual, with the path of this build.
value() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/" "$work/gateway"; }
cat >"$work/config" <<EOF
[profile acme]
region = us-east-1
credential_process = $nexus aws-credentials $(value connection_id)
EOF

unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE
NEXUS_GATEWAY_URL=$(value url) NEXUS_LOCK_DIR='' AWS_CONFIG_FILE=$work/config AWS_SHARED_CREDENTIALS_FILE=$work/none \
    AWS_EC2_METADATA_DISABLED=true timeout -k 5 60 "$venv/bin/python" "$here/aws_credentials.py" || die "botocore could not use the keys; see the error above"
