#!/usr/bin/env bash
# Tests the pages of `ConsentListener` in Chromium, operated by keyboard, and checks them with axe-core. Installs Debian's
# packages and the npm package if they are missing.
#
#   tests/interop/browser.sh
#
# Environment: SCREENSHOTS, a folder for screenshots of each page, on a wide and on a narrow screen, in light and
# dark mode; without it, none are taken.
set -euo pipefail
cd "$(dirname "$0")/../.."

missing() { ! command -v "$1" >/dev/null; }

packages=()
{ missing chromedriver || missing chromium; } && packages+=(chromium chromium-driver fonts-dejavu-core)
missing npm && packages+=(nodejs npm)
if [ ${#packages[@]} -gt 0 ]; then
  echo "installing ${packages[*]} ..." >&2
  log=$(mktemp)
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
    apt-get install -qy --no-install-recommends "${packages[@]}"; } >"$log" 2>&1 ||
    { cat "$log" >&2; echo "browser: ${packages[*]} cannot be installed" >&2; exit 1; }
  rm -f "$log"
fi

axe=$PWD/target/axe-4.14.1
if [ ! -f "$axe/node_modules/axe-core/axe.min.js" ]; then
  npm install --silent --no-save --prefix "$axe" "axe-core@${axe##*-}" >&2 ||
    { echo 'browser: axe-core cannot be installed' >&2; exit 1; }
fi
export AXE=$axe/node_modules/axe-core/axe.min.js

cargo test --quiet --features consent --test consent -- --ignored in_chromium
