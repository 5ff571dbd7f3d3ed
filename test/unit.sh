#!/usr/bin/env bash
# The unit tests, in three processes side by side: the simulations compute, those of raft wait for disks and
# peers, and the rest does both. What the first two say is printed after the third has ended.
set -uo pipefail
cd "$(dirname "$0")/.."
shopt -s extglob nullglob
logs=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; rm -rf "$logs"' EXIT

tests() { node_modules/.bin/bun test --timeout 30000 "$@"; }

for part in ./src/sim ./raft; do
  tests "$part" >"$logs/${part##*/}" 2>&1 &
  pids+=($!)
done
tests ./src/!(sim)/ ./src/*.test.ts ./cli ./test/tidy.test.ts ./test/ci.test.ts ./test/e2e/ ./test/bench ./test/chaos ./test/mutate
code=$?
for pid in "${pids[@]}"; do wait "$pid" || code=1; done
cat "$logs"/*
exit "$code"
