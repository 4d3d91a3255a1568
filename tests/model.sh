#!/bin/sh
# Runs the model of the cache and the flights in src/flights/model.rs.
# Only this crate is compiled with `--cfg loom`, so that the dependencies need not be built again: this
# script is also the wrapper that cargo calls in place of the compiler.
if [ $# -gt 0 ]; then
  exec "$@" --cfg loom
fi
cd "$(dirname "$0")/.." || exit
RUSTC_WORKSPACE_WRAPPER=$PWD/tests/model.sh exec cargo test --lib model:: -- --nocapture
