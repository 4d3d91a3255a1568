#!/bin/sh
# Runs the unit tests that compare the library with other libraries: dates with jiff, URLs with url. Those two are large,
# so that other tests do without them. As tests/model.sh, this script is the compiler that cargo calls: it compiles this
# crate alone with `--cfg differential`, so that its dependencies are not built again.
if [ $# -gt 0 ]; then
  exec "$@" --cfg differential
fi
cd "$(dirname "$0")/.." || exit
RUSTC_WORKSPACE_WRAPPER=$PWD/tests/differential.sh exec cargo test --lib -- fuzzing:: fetch::scope
