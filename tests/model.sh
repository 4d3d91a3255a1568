#!/bin/sh
# Runs the model of the cache and the flights in src/flights/model.rs.
# Cargo also calls this script in place of the compiler. The script then adds `--cfg loom` for this crate alone, so that the
# dependencies are not built again.
if [ $# -gt 0 ]; then
  exec "$@" --cfg loom
fi
cd "$(dirname "$0")/.." || exit
RUSTC_WORKSPACE_WRAPPER=$PWD/tests/model.sh exec cargo test --lib model:: -- --nocapture
