#!/usr/bin/env bash
# PostgreSQL of a newer Debian suite, beside this system and without touching it: its packages are fetched with apt, unpacked
# into a directory, and its programs are given the C library that came with them. Needs no root.
# usage: test/newer_postgres.sh SUITE MAJOR DIRECTORY     e.g. trixie 17 /var/tmp/postgresql-17
# Prints the directory of the programs. To test with them: PATH="$(test/newer_postgres.sh ...):$PATH" npm test ...
set -euo pipefail
[ $# -eq 3 ] || { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2; }
suite=$1 major=$2
mkdir -p "$3"
directory=$(cd "$3" && pwd)
root=$directory/root apt=$directory/apt
bin=$root/usr/lib/postgresql/$major/bin
if [ -e "$directory/complete" ]; then
  echo "$bin"
  exit 0
fi

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | grep -m 1 '/debian/$') || {
  echo "this system's apt knows no mirror of Debian" >&2
  exit 1
}
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$root"
: >"$apt/status"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror $suite main" >"$apt/sources.list"
own=(
  -q -o "Dir::State=$apt" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache" -o Acquire::Languages=none
  -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null
  -o Dir::Etc::preferencesparts=/dev/null -o Debug::NoLocking=1 -o "APT::Sandbox::User=$(id -un)" -o APT::Update::Error-Mode=any
)
apt-get "${own[@]}" update >&2
apt-get "${own[@]}" -y --no-install-recommends --download-only install "postgresql-$major" patchelf >&2
for package in "$apt"/cache/archives/*.deb; do
  case $(basename "$package") in
    "postgresql-$major"_* | "postgresql-client-$major"_* | lib* | tzdata* | patchelf*) dpkg-deb -x "$package" "$root" ;;
  esac
done
rm -rf "$apt"

loader=$(find "$root" -name 'ld-linux-*.so.*' | head -n 1)
libraries=$(dirname "$(find "$root" -name 'libc.so.6' | head -n 1)")
for program in "$bin"/*; do
  [ "$(head -c 4 "$program" | tail -c 3)" = ELF ] || continue
  "$loader" --library-path "$libraries" "$root/usr/bin/patchelf" \
    --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$program"
done
"$bin/postgres" --version >&2
touch "$directory/complete"
echo "$bin"
