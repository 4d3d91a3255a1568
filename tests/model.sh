#!/bin/sh
# Runs the model of the cache and its flights, src/flights/model.rs: every interleaving of threads.
# Only this crate is compiled with `--cfg loom`, so that what it depends on need not be built again:
# cargo is told to take this very script for its compiler.
if [ $# -gt 0 ]; then
  exec "$@" --cfg loom
fi
cd "$(dirname "$0")/.." || exit
RUSTC_WORKSPACE_WRAPPER=$PWD/tests/model.sh exec cargo test --lib model:: -- --nocapture
