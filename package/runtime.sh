#!/bin/sh
# Prints the path of Bun's runtime for a target, of the release that builds here. It comes from npm, is compared with the
# lockfile (what that does not know: with package/runtimes.txt), and is kept in node_modules/.cache.
# usage: package/runtime.sh linux-x64|linux-x64-baseline|linux-arm64
set -eu
cd "$(dirname "$0")/.."
target=${1:-}
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

case $target in
  linux-x64 | linux-x64-baseline) name=@oven/bun-$target ;;
  linux-arm64) name=@oven/bun-linux-aarch64 ;;
  *) fail "unknown target '$target': linux-x64, linux-x64-baseline or linux-arm64" ;;
esac
version=$(node -p 'require("./node_modules/bun/package.json").version')
cache=node_modules/.cache/agent/$target-$version
if [ ! -x "$cache/bun" ]; then
  wanted=$(node -p '(require("./package-lock.json").packages["node_modules/" + process.argv[1]] ?? {}).integrity ?? ""' "$name")
  [ -n "$wanted" ] || wanted=$(sed -n "s|^$name $version ||p" package/runtimes.txt)
  [ -n "$wanted" ] || fail "no checksum is known of $name $version: put the one that npm view $name@$version dist.integrity says into package/runtimes.txt"
  rm -rf "$cache"
  mkdir -p "$cache"
  trap 'rm -rf "$cache/fetched"' EXIT
  mkdir "$cache/fetched"
  npm pack --silent --pack-destination "$cache/fetched" "$name@$version" >"$cache/fetched/name" 2>"$cache/fetched/why" ||
    fail "the runtime for $target cannot be had: npm pack $name@$version failed: $(tail -n 3 "$cache/fetched/why")"
  archive=$cache/fetched/$(tail -n 1 "$cache/fetched/name")
  got=$(node -p '"sha512-" + crypto.createHash("sha512").update(fs.readFileSync(process.argv[1])).digest("base64")' "$archive")
  [ "$got" = "$wanted" ] || fail "$name $version is not what it should be: $got, and not $wanted"
  tar -xzf "$archive" -C "$cache/fetched" package/bin/bun
  mv "$cache/fetched/package/bin/bun" "$cache/bun"
fi
printf '%s\n' "$PWD/$cache/bun"
