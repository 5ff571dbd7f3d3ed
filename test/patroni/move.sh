#!/usr/bin/env bash
# The move of docs/from-patroni.md with Debian's packages patroni and etcd-server: three nodes on loopback, a
# client that writes all the time, and the agents in the place of Patroni. Ends with 1 when a transaction failed
# or PostgreSQL was restarted. As root (the nodes run as postgres):
#   apt-get install --no-install-recommends patroni etcd-server python3-etcd    # nothing has to be started
#   test/patroni/move.sh [PROGRAM]      # default: dist/agent
set -euo pipefail
program=$(realpath "${1:-$(dirname "$0")/../../dist/agent}")
for needed in patroni patronictl etcd setpriv; do
  command -v "$needed" >/dev/null || { echo "$needed is not installed" >&2; exit 2; }
done
work=$(mktemp -d /tmp/agent-patroni.XXXXXX)
etcd=127.0.0.50
nodes="1 2 3"

as() { setpriv --reuid=postgres --regid=postgres --init-groups -- env HOME="$work" "$@"; }
# background LOG COMMAND...: in a session of its own, with nothing of this one's but the log
background() {
  local log=$1
  shift
  (as setsid "$@" >>"$log" 2>&1 </dev/null &)
}
# Processes that work in a directory below this one, or that have it in their command line.
ours() {
  local pid
  for pid in /proc/[0-9]*; do
    case $(readlink "$pid/cwd" 2>/dev/null) in "$work"*) basename "$pid" ;; esac
  done
}
end() {
  cd /
  local pid round
  for round in $(seq 100); do
    [ -n "$(ours)" ] || break
    for pid in $(ours); do kill -KILL "$pid" 2>/dev/null || true; done
    sleep 0.1
  done
  rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM

# until_true SECONDS WHAT COMMAND...
until_true() {
  local seconds=$1 what=$2 i
  shift 2
  for i in $(seq $((seconds * 5))); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.2
  done
  echo "in vain for $what" >&2
  tail -n 20 "$work"/n*/*.log >&2
  exit 1
}
answers() { curl -fsS "http://127.0.0.5$1:18008/$2"; }
streams() { answers "$1" replica && [ "$(answers 1 cluster | grep -o '"streaming"' | wc -l)" = 2 ]; }
postmasters() { for i in $nodes; do head -n 1 "$work/n$i/data/postmaster.pid"; done; }

cp "$program" "$work/agent"
for i in $nodes; do
  mkdir "$work/n$i"
  others=$(for j in $nodes; do [ "$j" = "$i" ] || printf '127.0.0.5%s:12222, ' "$j"; done)
  common="scope: main
name: pg$i
restapi: {listen: 127.0.0.5$i:18008, connect_address: 127.0.0.5$i:18008}
bootstrap:
  dcs:
    ttl: 30
    postgresql: {use_pg_rewind: true, parameters: {max_connections: 120, work_mem: 6MB}}
  initdb: [{encoding: UTF8}, data-checksums]
postgresql:
  listen: 127.0.0.5$i:15432
  connect_address: 127.0.0.5$i:15432
  data_dir: $work/n$i/data
  bin_dir: $(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  pgpass: $work/n$i/pgpass
  authentication:
    superuser: {username: postgres, password: super}
    replication: {username: replicator, password: repl}
  parameters: {unix_socket_directories: $work/n$i}
  pg_hba: [local all all trust, host all all 127.0.0.0/8 scram-sha-256, host replication replicator 127.0.0.0/8 scram-sha-256]"
  printf '%s\netcd3: {hosts: ["%s:12379"]}\n' "$common" "$etcd" >"$work/n$i/patroni.yml"
  printf '%s\nraft: {self_addr: "127.0.0.5%s:12222", partner_addrs: [%s], data_dir: %s/n%s/raft, password: secret}\n' \
    "$common" "$i" "${others%, }" "$work" "$i" >"$work/n$i/agent.yml"
done
chown -R postgres: "$work"

cd "$work"
client=http://$etcd:12379
peer=http://$etcd:12380
background etcd.log etcd --name e --data-dir "$work/etcd" --listen-client-urls $client \
  --advertise-client-urls $client --listen-peer-urls $peer --initial-advertise-peer-urls $peer --initial-cluster e=$peer
for i in $nodes; do
  cd "$work/n$i"
  background patroni.log patroni "$work/n$i/patroni.yml"
  [ "$i" = 1 ] && until_true 60 "Patroni's primary" answers 1 primary
done
for i in 2 3; do until_true 60 "Patroni's replica $i" answers "$i" replica; done

cd "$work"
targets=$(for i in $nodes; do printf '{"node":"pg%s","host":"127.0.0.5%s","port":15432},' "$i" "$i"; done)
echo "{\"targets\":[${targets%,}],\"user\":\"postgres\",\"password\":\"super\",\"database\":\"postgres\",
  \"logFile\":\"$work/client.log\",\"firstId\":1,\"slowness\":1}" >client.json
chown postgres: client.json
# The client ends with its standard input.
(sleep 600 | as "$work/agent" __client "$work/client.json" >client.out 2>&1 &)
until_true 30 "a confirmed write" grep -q ^A client.log
before=$(postmasters)

as patronictl -c n1/patroni.yml pause --wait
for i in 2 3 1; do
  cd "$work/n$i"
  for pid in $(ours); do
    [ "$(readlink "/proc/$pid/cwd")" = "$work/n$i" ] || continue
    case $(tr '\0' ' ' <"/proc/$pid/cmdline") in *bin/patroni\ *) patroni=$pid ;; esac
  done
  kill -TERM "$patroni"
  until_true 30 "the end of Patroni $i" test ! -e "/proc/$patroni"
  background agent.log "$work/agent" run "$work/n$i/agent.yml"
done
cd "$work"
until_true 60 "the primary's agent" answers 1 primary
for i in 2 3; do until_true 60 "the standby $i" streams "$i"; done
sleep 2

as ./agent ctl -c n1/agent.yml list
failed=$(grep -c ^E client.log || true)
echo "writes $(grep -c ^A client.log), failed $failed"
grep ^A client.log | sort -n -k 5 | awk 'NR > 1 && $5 - last > gap { gap = $5 - last } { last = $5 } END { print "longest gap " gap " ms" }'
[ "$failed" = 0 ] || { echo "transactions failed" >&2; exit 1; }
[ "$before" = "$(postmasters)" ] || { echo "PostgreSQL was restarted" >&2; exit 1; }
grep -q '"work_mem": *"6MB"' <(answers 1 config) || { echo "the dynamic configuration is not Patroni's" >&2; exit 1; }
