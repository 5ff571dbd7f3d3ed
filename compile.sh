#!/bin/sh
# Builds the one file: dist/agent. Needs nothing but Node's npm, for the first `npm ci`.
# The result depends only on the sources, the lockfile, the target and the name of the output: two builds are equal byte by byte.
# usage: ./compile.sh [OUTFILE [TARGET]]     TARGET: linux-x64, linux-x64-baseline (old CPUs), linux-arm64; without it, this machine
set -eu
case ${1:-} in
  -h | --help) sed -n '/^# usage: /,/^[^#]/s/^# //p' "$0" && exit ;;
  -*) printf 'error: unknown option %s (see --help)\n' "$1" >&2 && exit 2 ;;
esac
cd "$(dirname "$0")"
out=${1:-dist/agent}
target=${2:-}

# What the environment may say to Bun must not reach the product.
unset BUN_OPTIONS BUN_BE_BUN NODE_ENV NODE_OPTIONS || true

[ -x node_modules/.bin/bun ] || npm ci --no-audit --no-fund --loglevel=error
mkdir -p "$(dirname "$out")"

set --
if [ -n "$target" ]; then
  runtime=$(package/runtime.sh "$target")
  set -- "--target=bun-$target" "--compile-executable-path=$runtime"
fi

# The threads of the log and of the REST API are entries of their own: a compiled program can open only workers that are listed.
# Split: a guard or `agent ctl` reads only the pieces of the program that it needs, and what the threads share is there once.
# With bytecode: without it every start compiles what it reads (docs/benchmark.md has what each flag costs). Bun also puts
# the source maps beside its result, one for each piece: they are in the program, and nobody needs them twice.
built=$out.build
rm -rf "$built"
mkdir "$built"
trap 'rm -rf "$built"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
node_modules/.bin/bun build --compile --minify --format=esm --splitting --bytecode --sourcemap \
  --no-compile-autoload-dotenv --no-compile-autoload-bunfig "$@" \
  cli/main.ts raft/storage/wal_worker.ts src/api/thread/api_worker.ts --outfile "$built/$(basename "$out")" >"$built/log" 2>&1 || {
  cat "$built/log" >&2
  exit 1
}
mv -f "$built/$(basename "$out")" "$out"
