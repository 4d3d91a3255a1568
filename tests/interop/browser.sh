#!/usr/bin/env bash
# Tests the pages of `ConsentListener` in Chromium, operated by keyboard. Installs Debian's packages if they are missing.
#
#   tests/interop/browser.sh
#
# Environment: SCREENSHOTS, a folder for screenshots of each page in light and dark mode; without it, none are taken.
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
