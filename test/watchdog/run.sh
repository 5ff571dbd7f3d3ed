#!/usr/bin/env bash
# Tries the watchdog with real drivers in a virtual machine. Installs what it needs (qemu, busybox, cpio: 16 MB; a kernel:
# 26 MB). Where that is not possible, the tests are skipped and say why.
# usage: test/watchdog/run.sh [softdog] [i6300esb]      (i6300esb is in Debian's full kernel: 70 MB)
set -euo pipefail
case ${1:-} in
  -h | --help) sed -n '/^# usage: /,/^[^#]/s/^# //p' "$0" && exit ;;
  -*) printf 'error: unknown option %s (see --help)\n' "$1" >&2 && exit 2 ;;
esac
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- softdog
export WATCHDOG_DRIVERS="$*"

work=$(mktemp -d /tmp/agent-watchdog.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say() { printf '== %s\n' "$*" >&2; }
tests() {
  node_modules/.bin/bun test --timeout 180000 ./test/watchdog
}
skip() {
  export WATCHDOG_SKIP="$*"
  tests
  exit 0
}
apt_quiet() { DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@" >"$work/apt.log" 2>&1; }

bash test/setup.sh prepare
[ "$(uname -m)" = x86_64 ] || skip "the kernels are for x86_64, this is $(uname -m)"
if ! command -v qemu-system-x86_64 >/dev/null || ! command -v cpio >/dev/null || [ ! -x /bin/busybox ]; then
  [ "$(id -u)" -eq 0 ] || skip "not installed: as root, apt-get install qemu-system-x86 busybox-static cpio"
  command -v apt-get >/dev/null || skip "qemu-system-x86_64, cpio and a static busybox are not installed"
  say "installing qemu-system-x86, busybox-static, cpio"
  packages=(--no-install-recommends install -y qemu-system-x86 busybox-static cpio)
  apt_quiet "${packages[@]}" || { apt_quiet update && apt_quiet "${packages[@]}"; } ||
    skip "apt-get could not install qemu-system-x86, busybox-static and cpio"
fi

if [ -n "${AGENT_BINARY:-}" ]; then
  cp "$AGENT_BINARY" "$work/agent"
else
  say "compiling"
  ./compile.sh "$work/agent"
fi
export AGENT_USER=${AGENT_USER:-postgres}
for driver in "$@"; do
  case $driver in
    softdog) kernel=linux-image-cloud-amd64 ;;
    i6300esb) kernel=linux-image-amd64 ;;
    *) echo "unknown driver: $driver (softdog, i6300esb)" >&2 && exit 2 ;;
  esac
  say "making a machine with $driver"
  mkdir -p "$work/packages/$driver" "$work/images/$driver"
  # The packages that people install only name the present kernel.
  newest() { apt-cache depends "$kernel" 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1; }
  if [ -z "$(newest)" ]; then apt_quiet update || true; fi
  package=$(newest)
  [ -n "$package" ] || skip "apt-get knows no kernel package $kernel"
  (cd "$work/packages/$driver" && apt_quiet download "$package") || skip "apt-get could not download $package"
  bash test/watchdog/image.sh "$work/agent" "$work/packages/$driver/"*.deb "$work/images/$driver"
done
export WATCHDOG_IMAGES=$work/images
tests
