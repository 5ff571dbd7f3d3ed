#!/usr/bin/env bash
# The unit tests, in five processes side by side: the simulations compute, half of them with a rule switched
# off; those of raft, and of the guard, wait for disks, peers and processes, and the rest does both. What the
# others say is printed after the rest has ended.
set -uo pipefail
cd "$(dirname "$0")/.."
shopt -s extglob nullglob
logs=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; rm -rf "$logs"' EXIT

tests() { node_modules/.bin/bun test --timeout 30000 "$@"; }
beside() {
  tests "${@:2}" >"$logs/$1" 2>&1 &
  pids+=($!)
}

beside sim_broken ./src/sim/break.test.ts
beside sim ./src/sim/!(break).test.ts
beside raft ./raft
beside guard ./src/guard ./src/postgres ./test/chaos
tests ./src/!(sim|guard|postgres)/ ./src/*.test.ts ./cli ./test/tidy.test.ts ./test/ci.test.ts ./package ./test/e2e/ ./test/bench ./test/mutate
code=$?
for pid in "${pids[@]}"; do wait "$pid" || code=1; done
cat "$logs"/*
exit "$code"
