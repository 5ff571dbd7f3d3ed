#!/usr/bin/env bash
# Makes a bare machine ready (npm packages, PostgreSQL, an ordinary user to run it) and then runs what is asked for.
# Everything in here may be run again; what is already there is left as it is.
# usage: test/setup.sh prepare|demo|test|bench|chaos [ARGUMENTS]
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
what=${1:-prepare}
shift || true
arguments=$*
unset BUN_OPTIONS BUN_BE_BUN

say() { printf '== %s\n' "$*" >&2; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}
am_root() { [ "$(id -u)" -eq 0 ]; }

npm_packages() {
  if [ -x node_modules/.bin/bun ] && [ -x node_modules/.bin/tsc ] && node_modules/.bin/bun --version >/dev/null 2>&1; then
    return
  fi
  command -v npm >/dev/null || fail "npm is not installed: install Node.js 20 with npm"
  say "installing npm packages"
  npm ci --no-audit --no-fund --loglevel=error >&2
}

has_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; }

# Debian packages, without recommended ones and without starting any of their services.
apt_install() {
  local policy="" got
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  got=0
  export DEBIAN_FRONTEND=noninteractive
  local install=(apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 "$@")
  if ! "${install[@]}" >"$log" 2>&1; then
    say "apt-get update"
    apt-get update -q >>"$log" 2>&1 && "${install[@]}" >>"$log" 2>&1 || got=$?
  fi
  [ -z "$policy" ] || rm -f "$policy"
  return "$got"
}

debian_packages() {
  local log
  log=$(mktemp)
  if ! has_postgres; then
    am_root || fail "PostgreSQL is not installed. As root: apt-get install postgresql   (13 or newer; no cluster of it is needed)"
    command -v apt-get >/dev/null || fail "PostgreSQL is not installed, and this system has no apt-get: install PostgreSQL 13 or newer"
    say "installing PostgreSQL (no cluster is created, nothing is started)"
    # Read by Debian's postgresql-common before it would create its "main" cluster.
    local conf=/etc/postgresql-common/createcluster.d/agent.conf
    mkdir -p "$(dirname "$conf")"
    echo 'create_main_cluster = false' >"$conf"
    apt_install postgresql || {
      tail -n 20 "$log" >&2
      rm -f "$conf"
      fail "apt-get could not install PostgreSQL"
    }
    rm -f "$conf"
  fi
  # Some tests need certutil, chromium, curl, haproxy, iproute2, keepalived, pgbackrest, pgbouncer or prometheus; without them they are
  # skipped and counted as skipped.
  local missing=()
  case $what in
    test | chaos) command -v ip >/dev/null || [ -x /usr/sbin/ip ] || missing+=(iproute2) ;;
  esac
  if [ "$what" = chaos ]; then
    compgen -G '/usr/lib/*-linux-gnu/faketime/libfaketime.so.1' >/dev/null || missing+=(libfaketime)
  fi
  if [ "$what" = test ]; then
    local program
    for program in haproxy keepalived pgbouncer; do
      command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ] || missing+=("$program")
    done
    command -v curl >/dev/null || missing+=(curl)
    command -v pgbackrest >/dev/null || missing+=(pgbackrest)
    command -v prometheus >/dev/null || missing+=(prometheus)
    command -v chromium >/dev/null || missing+=(chromium)
    command -v certutil >/dev/null || missing+=(libnss3-tools)
  fi
  # The benchmark's yardstick, when it is asked for by name.
  if [ "$what" = bench ] && [[ ",${arguments// /,}," = *,peer,* ]]; then
    command -v patroni >/dev/null || missing+=(patroni python3-etcd)
    command -v etcd >/dev/null || missing+=(etcd-server)
  fi
  if [ ${#missing[@]} -gt 0 ]; then
    if am_root && command -v apt-get >/dev/null; then
      say "installing ${missing[*]} (not started)"
      apt_install "${missing[@]}" || say "could not install ${missing[*]}: what needs it is left out"
      local service
      for service in etcd-server haproxy keepalived patroni pgbouncer prometheus; do
        if [ -d /run/systemd/system ] && [[ " ${missing[*]} " = *" $service "* ]]; then
          systemctl disable -q "${service%-server}" 2>/dev/null || true
        fi
      done
    else
      say "not installed: ${missing[*]}; what needs it is left out"
    fi
  fi
  rm -f "$log"
}

# PostgreSQL refuses to run as root: AGENT_USER is who runs it then. Empty when we are an ordinary user ourselves.
ordinary_user() {
  AGENT_USER=""
  am_root || return 0
  local name
  for name in postgres agent-test; do
    if id -u "$name" >/dev/null 2>&1; then
      AGENT_USER=$name
      break
    fi
  done
  if [ -z "$AGENT_USER" ]; then
    say "adding the system user agent-test, to run PostgreSQL"
    useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin agent-test
    AGENT_USER=agent-test
  fi
}

as_user() {
  if [ -z "$AGENT_USER" ]; then
    "$@"
  else
    setpriv --reuid="$AGENT_USER" --regid="$(id -g "$AGENT_USER")" --init-groups -- \
      env HOME="$stage" USER="$AGENT_USER" LOGNAME="$AGENT_USER" TMPDIR="$stage" "$@"
  fi
}

# A directory of the ordinary user's with the executable, and with all that tests need where it cannot read the checkout.
make_stage() {
  stage=$(mktemp -d /tmp/agent.XXXXXX)
  trap 'rm -rf "$stage"' EXIT
  # Bash runs the EXIT trap of a script that a signal ends only if the signal is trapped too.
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  chmod 755 "$stage"
  cp "${AGENT_BINARY:-dist/agent}" "$stage/agent"
  chmod 755 "$stage/agent"
  [ -z "$AGENT_USER" ] || chown "$AGENT_USER" "$stage"
  tree=$root
  [ "$what" = test ] || return 0
  if ! as_user test -r "$root/test/setup.sh" -a -x "$root/node_modules/.bin/bun" 2>/dev/null; then
    tree=$stage/tree
    mkdir -p "$tree"
    cp -r package.json tsconfig.json raft src cli test "$tree/"
    mkdir "$tree/node_modules"
    local entry
    for entry in node_modules/* node_modules/.bin; do
      case $entry in node_modules/deno | node_modules/@deno | node_modules/typescript | node_modules/@typescript) continue ;; esac
      cp -r "$entry" "$tree/node_modules/"
    done
    [ -z "$AGENT_USER" ] || chown -R "$AGENT_USER" "$tree"
  fi
}

# One file of tests. As root those with the compiled program may make network namespaces; PostgreSQL and the agents always run
# as the ordinary user.
test_file() {
  case $1 in
    */postgres_*) (cd "$tree" && as_user "$tree/node_modules/.bin/bun" test --timeout 240000 "$1") ;;
    *) "$bun" test --timeout 240000 "$1" ;;
  esac
}

# The same, printed in one go.
show_file() {
  local log begin=$SECONDS failed=0
  log=$(mktemp -p "$stage")
  test_file "$1" >"$log" 2>&1 || failed=1
  {
    flock 9
    cat "$log"
    say "$(basename "$1"): $((SECONDS - begin)) s"
  } 9>"$stage/printing"
  return "$failed"
}

npm_packages
debian_packages
ordinary_user
[ "$what" != prepare ] || exit 0
# AGENT_BINARY: the program that is tried, instead of one that is made now.
if [ -z "${AGENT_BINARY:-}" ]; then
  say "compiling"
  ./compile.sh
fi
make_stage
export AGENT_BINARY=$stage/agent AGENT_USER
bun=$root/node_modules/.bin/bun

case $what in
  demo)
    # The copy, as the ordinary user: whoever reads this output sees what he would have typed.
    cd "$stage"
    status=0
    as_user "$stage/agent" demo "$@" || status=$?
    case " $* " in
      *" --keep "*)
        trap - EXIT
        say "left in $stage: the program and the cluster; to be removed when the cluster has been ended"
        ;;
    esac
    exit $status
    ;;
  test)
    status=0
    shopt -s nullglob
    jobs=(./test/e2e_*.test.ts ./test/postgres_*.test.ts)
    if [ $# -gt 0 ]; then
      jobs=()
      for name in "$@"; do jobs+=("./test/$(basename "$name")"); done
    fi
    if [ ${#jobs[@]} -eq 1 ]; then
      test_file "${jobs[0]}" || status=1
      exit $status
    fi
    # They mostly wait: two at a time (TEST_JOBS: as many) take little more than half of the time. The longest texts take
    # longest and come first; what a file printed is shown when it has ended.
    export -f say as_user test_file show_file
    export stage tree bun
    set -m # a process group of its own, which can be ended
    ls -S "${jobs[@]}" | xargs -P "${TEST_JOBS:-2}" -n 1 bash -c 'show_file "$1"' - &
    queue=$!
    set +m
    trap 'kill -TERM -- "-$queue" 2>/dev/null || true; rm -rf "$stage"' EXIT
    wait "$queue" || status=1
    exit $status
    ;;
  bench)
    "$bun" test/bench/main.ts "$@"
    ;;
  chaos)
    "$bun" test/chaos/main.ts "$@"
    ;;
  *) fail "unknown: $what (prepare, demo, test, bench, chaos)" ;;
esac
