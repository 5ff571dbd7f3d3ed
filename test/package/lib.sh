# Checks, and a Debian in a directory: bare, or booted with its own systemd in namespaces. Read by run.sh.
passed=0 failed=0

# check TITLE COMMAND...: what the command said is shown where it fails.
check() {
  local title=$1 said
  shift
  if said=$("$@" 2>&1); then
    passed=$((passed + 1))
    printf '(pass) %s\n' "$title"
  else
    failed=$((failed + 1))
    printf '(fail) %s\n%s\n' "$title" "$said"
  fi
}

# until COMMAND succeeds, for SECONDS at most.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    if [ "$SECONDS" -ge "$end" ]; then
      echo "not so in time: $*"
      return 1
    fi
    sleep 0.2
  done
}

equal() { [ "$1" = "$2" ] || { printf 'expected: %s\nfound:    %s\n' "$2" "$1" && return 1; }; }
no() { ! "$@"; }

# bare ROOT COMMAND...: in that directory as the root of the file system. Nothing outlives it.
bare() {
  local root=$1
  shift
  unshare --mount --pid --fork --kill-child sh -c '
    root=$1; shift
    mount --bind "$root" "$root" && mount -t proc proc "$root/proc" && exec chroot "$root" "$@"' \
    sh "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# boot ROOT: systemd as process 1 of namespaces of its own, without a network. Sets `machine`, its pid here.
boot() {
  unshare --kill-child --mount --pid --fork --uts --ipc --net --cgroup --propagation private \
    bash "$here/init.sh" "$1" >"$work/console.log" 2>&1 &
  booted=$!
  within 30 first_process "$booted"
  machine=$(cat "/proc/$booted/task/$booted/children")
  machine=${machine%% *}
  nsenter -t "$machine" -n ip link set lo up
  within 60 inside systemctl is-active --quiet multi-user.target 2>/dev/null
}

first_process() { [ -n "$(cat "/proc/$1/task/$1/children" 2>/dev/null)" ]; }

# inside COMMAND...: as root in the booted machine.
inside() {
  nsenter -t "$machine" -m -p -u -i -n -C -r -w \
    env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

power_off() {
  [ -z "${booted:-}" ] || kill -KILL "$booted" 2>/dev/null || true
  [ -z "${booted:-}" ] || wait "$booted" 2>/dev/null || true
  booted=
}
