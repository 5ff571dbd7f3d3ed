#!/bin/sh
# Builds Debian packages into dist/. Needs Node's npm and dpkg-deb. Equal sources give equal bytes.
# usage: ./package.sh [OUTDIR [BUILD...]]     BUILD: amd64, amd64-baseline (old CPUs: the package agent-baseline), arm64
#   SOURCE_DATE_EPOCH: the time of the files (that of the last commit); DEB_COMPRESSION: xz, gzip, zstd or none;
#   DEB_MAINTAINER: "Name <address>"
set -eu
case ${1:-} in
  -h | --help) sed -n '/^# usage: /,/^[^#]/s/^# //p' "$0" && exit ;;
  -*) printf 'error: unknown option %s (see --help)\n' "$1" >&2 && exit 2 ;;
esac
cd "$(dirname "$0")"
out=${1:-dist}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- amd64 amd64-baseline arm64
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

command -v dpkg-deb >/dev/null || fail "dpkg-deb is missing: packages are built on Debian, or with its package dpkg"
for build in "$@"; do
  case $build in amd64 | amd64-baseline | arm64) ;; *) fail "unknown build '$build': amd64, amd64-baseline or arm64" ;; esac
done
[ -x node_modules/.bin/bun ] || npm ci --no-audit --no-fund --loglevel=error
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1767225600)}
export SOURCE_DATE_EPOCH
umask 022
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# What is the same in all of them.
version=$(node_modules/.bin/bun package/write_files.ts "$work/common")
doc=$work/common/usr/share/doc/agent
mkdir -p "$doc/examples" "$work/common/etc"
cp docs/examples/*.yml docs/monitoring/alerts.yml docs/monitoring/dashboard.json docs/monitoring/prometheus.yml "$doc/examples/"
cp docs/examples/node1.yml "$work/common/etc/agent.yml.example"
gzip -9n <CHANGELOG.md >"$doc/changelog.gz"
cat package/copyright LICENSE >"$doc/copyright"

for build in "$@"; do
  case $build in
    amd64) name=agent architecture=amd64 target=linux-x64 ;;
    amd64-baseline) name=agent-baseline architecture=amd64 target=linux-x64-baseline ;;
    arm64) name=agent architecture=arm64 target=linux-arm64 ;;
  esac
  printf '== %s\n' "$build" >&2
  root=$work/$build
  cp -r "$work/common" "$root"
  mkdir -p "$root/usr/bin" "$root/DEBIAN" "$work/compiled/$build"
  [ "$name" = agent ] || mv "$root/usr/share/doc/agent" "$root/usr/share/doc/$name"
  # Never stripped: the program is what follows the runtime in the file.
  ./compile.sh "$work/compiled/$build/agent" "$target"
  cp "$work/compiled/$build/agent" "$root/usr/bin/agent"
  size=$(du -sk --apparent-size "$root" | cut -f 1)
  sh package/control.sh "$name" "$version" "$architecture" "$size" >"$root/DEBIAN/control"
  echo /etc/agent.yml.example >"$root/DEBIAN/conffiles"
  cp package/scripts/postinst package/scripts/prerm package/scripts/postrm "$root/DEBIAN/"
  (cd "$root" && find usr etc -type f | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums)
  find "$root" -type f -exec chmod 644 {} +
  find "$root" -type d -exec chmod 755 {} +
  chmod 755 "$root/usr/bin/agent" "$root/DEBIAN/postinst" "$root/DEBIAN/prerm" "$root/DEBIAN/postrm"
  find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  # The bytes that xz makes depend on the number of its threads.
  dpkg-deb --root-owner-group -Z"${DEB_COMPRESSION:-xz}" --threads-max=1 --build "$root" "$out/${name}_${version}_$architecture.deb" >&2
  rm -rf "$root" "$work/compiled/$build"
done
