#!/bin/sh
# Runs the unit tests that compare the library with other libraries: dates with jiff, and URLs with url. Other tests do not
# use these libraries, because they are large. As with tests/model.sh, cargo also calls this script in place of the compiler.
# The script then adds `--cfg differential` for this crate alone, so that the dependencies are not built again.
if [ $# -gt 0 ]; then
  exec "$@" --cfg differential
fi
cd "$(dirname "$0")/.." || exit
RUSTC_WORKSPACE_WRAPPER=$PWD/tests/differential.sh exec cargo test --lib -- fuzzing:: fetch::scope
