#!/usr/bin/env bash
# Tries the packages in a bare Debian, and the service under a real systemd, which runs as process 1 of namespaces. As root;
# needs debootstrap and Debian's mirror. The Debian is kept for the next time in DEBIAN_ROOTS (/var/tmp/agent-debian).
# usage: test/package/run.sh [DIRECTORY_OF_PACKAGES]     without it they are built first
set -euo pipefail
case ${1:-} in
  -h | --help) sed -n '/^# usage: /,/^[^#]/s/^# //p' "$0" && exit ;;
  -*) printf 'error: unknown option %s (see --help)\n' "$1" >&2 && exit 2 ;;
esac
cd "$(dirname "$0")/../.."
here=$PWD/test/package
. "$here/lib.sh"
. "$here/packages.sh"
. "$here/service.sh"
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}
[ "$(id -u)" -eq 0 ] || fail "only root may do this"
command -v debootstrap >/dev/null || fail "not installed: apt-get install debootstrap"
command -v ip >/dev/null || fail "not installed: apt-get install iproute2"
arch=$(dpkg --print-architecture)
roots=${DEBIAN_ROOTS:-/var/tmp/agent-debian}
mkdir -p "$roots"
work=$(mktemp -d "$roots/work.XXXXXX")
booted=
trap 'power_off; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say() { printf '== %s\n' "$*" >&2; }
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 2>/dev/null | grep -m 1 '/debian/$' || echo http://deb.debian.org/debian)
if [ ! -d "$roots/bare" ]; then
  say "making a bare Debian"
  debootstrap --variant=minbase bookworm "$work/bare" "$mirror" >"$work/debootstrap.log" 2>&1 || fail "debootstrap: $(tail -n 3 "$work/debootstrap.log")"
  rm -rf "$work/bare/var/cache/apt/archives"/*.deb
  mv "$work/bare" "$roots/bare"
fi
if [ ! -d "$roots/systemd" ]; then
  say "another one, with systemd and PostgreSQL"
  cp -a "$roots/bare" "$work/systemd"
  cp /etc/resolv.conf "$work/systemd/etc/"
  mkdir -p "$work/systemd/etc/postgresql-common/createcluster.d"
  echo 'create_main_cluster = false' >"$work/systemd/etc/postgresql-common/createcluster.d/agent.conf"
  bare "$work/systemd" sh -c 'apt-get update && apt-get install -y --no-install-recommends systemd systemd-sysv dbus postgresql procps &&
    systemctl mask systemd-networkd-wait-online systemd-firstboot systemd-networkd' >"$work/apt.log" 2>&1 || fail "apt-get: $(tail -n 3 "$work/apt.log")"
  mv "$work/systemd" "$roots/systemd"
fi
debs=${1:-}
if [ -z "$debs" ]; then
  say "building packages"
  debs=$work/debs
  DEB_COMPRESSION=none ./package.sh "$debs" "$arch" $([ "$arch" != amd64 ] || echo amd64-baseline)
fi

[ -n "${ONLY_SERVICE:-}" ] || {
say "packages in a bare Debian"
root=$work/root
cp -a --reflink=auto "$roots/bare" "$root"
test_packages
rm -rf "$root"
}
say "the service under systemd"
root=$work/root
cp -a --reflink=auto "$roots/systemd" "$root"
test_service
printf '\n %d pass\n %d fail\nRan %d tests\n' "$passed" "$failed" "$((passed + failed))"
[ "$failed" -eq 0 ]
