#!/usr/bin/env bash
# Makes a bootable image of the compiled agent, PostgreSQL with an empty cluster, and the kernel's watchdog drivers.
# usage: image.sh AGENT KERNEL_PACKAGE.deb DIRECTORY      (leaves DIRECTORY/vmlinuz and DIRECTORY/initramfs)
set -euo pipefail
agent=$1 package=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
user=${AGENT_USER:-postgres}
root=$out/root

bin=$(dirname "$(ls -1 /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)")
share=$("$bin/pg_config" --sharedir 2>/dev/null || echo "/usr/share/postgresql/$(basename "$(dirname "$bin")")")

mkdir -p "$root"/{bin,dev,proc,sys,run,tmp,etc,mod,var/lib/agent,lib64,usr/share/zoneinfo}
chmod 1777 "$root/tmp"
cp /bin/busybox "$root/bin/"
cp "$agent" "$root/bin/agent"
cp "$here/init" "$root/init"
chmod 755 "$root/init" "$root/bin/agent"

# with_libraries FILE...: at the same place in the image, with the libraries that they are linked to.
with_libraries() {
  local file
  for file in "$@"; do
    [ -e "$root$file" ] || install -D -m 755 "$file" "$root$file"
    ldd "$file" 2>/dev/null | grep -oE '/[^ ]+' | while read -r library; do
      [ -e "$root$library" ] || install -D -m 755 "$library" "$root$library"
    done
  done
}
with_libraries "$bin"/{postgres,initdb,pg_basebackup,pg_rewind,pg_controldata,pg_waldump}
ldd "$agent" | grep -oE '/[^ ]+' | while read -r library; do
  [ -e "$root$library" ] || install -D -m 755 "$library" "$root$library"
done
mkdir -p "$root$bin/../lib" "$root$share"
cp -r "$bin/../lib/plpgsql.so" "$bin/../lib/dict_snowball.so" "$root$bin/../lib/"
cp -r "$share"/{postgres.bki,timezonesets,*.sample,*.sql,*.txt,tsearch_data,extension} "$root$share/" 2>/dev/null || true
cp -r /usr/share/zoneinfo/{UTC,GMT,Etc} "$root/usr/share/zoneinfo/"

printf 'root:x:0:0::/:/bin/sh\npostgres:x:100:100::/var/lib/agent:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\npostgres:x:100:\n' >"$root/etc/group"
sed "s|BIN_DIR|$bin|" "$here/node.yml" >"$root/etc/node.yml"

# Made here, where it takes a second; an emulated processor would need half a minute.
data=$(mktemp -d)
initdb=("$bin/initdb" -D "$data/data" -U postgres -A trust -E UTF8 --locale=C -N)
if [ "$(id -u)" -eq 0 ]; then
  chown "$user" "$data"
  setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "${initdb[@]}" >/dev/null
else
  "${initdb[@]}" >/dev/null
fi
mv "$data/data" "$root/var/lib/agent/data"
rmdir "$data"

dpkg-deb --fsys-tarfile "$package" |
  tar -x -C "$out" --wildcards './boot/vmlinuz*' '*/drivers/watchdog/watchdog.ko' '*/drivers/watchdog/softdog.ko' \
    '*/drivers/watchdog/i6300esb.ko' 2>/dev/null || true # the cloud kernel has no i6300esb
mv "$out"/boot/vmlinuz* "$out/vmlinuz"
find "$out/lib" -name '*.ko' -exec mv {} "$root/mod/" \;
[ -e "$root/mod/watchdog.ko" ] || { echo "no watchdog drivers in $package" >&2; exit 1; }

(cd "$root" && find . | cpio -o -H newc --quiet -R 0:0) >"$out/initramfs"
rm -rf "$root" "$out/lib" "$out/boot"
