#!/usr/bin/env bash
# The pages of `ConsentListener` in Chromium, driven by the keyboard. Installs Debian's packages when they are missing.
#
#   tests/interop/browser.sh
#
# Environment: SCREENSHOTS, a folder for a picture of each page in light and dark; none are taken without it.
set -euo pipefail
cd "$(dirname "$0")/../.."

missing() { ! command -v "$1" >/dev/null; }

if missing chromedriver || missing chromium; then
  echo 'installing chromium ...' >&2
  log=$(mktemp)
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
    apt-get install -qy --no-install-recommends chromium chromium-driver fonts-dejavu-core; } >"$log" 2>&1 ||
    { cat "$log" >&2; echo 'browser: chromium and chromium-driver cannot be installed' >&2; exit 1; }
  rm -f "$log"
fi

cargo test --quiet --features consent --test consent -- --ignored in_chromium
