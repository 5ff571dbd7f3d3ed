# The service under a real systemd: the package's units, and the unit that tutorials of Patroni give. Read by run.sh: $root, $debs, $arch.

config_files() {
  cat >"$root/etc/agent.yml" <<'END'
scope: main
name: pg1
raft:
  self_addr: 127.0.0.1:7801
  partner_addrs: [127.0.0.1:7802]
  data_dir: /var/lib/agent/raft
restapi: { listen: "127.0.0.1:8008", connect_address: "127.0.0.1:8008" }
bootstrap:
  dcs: { ttl: 30, loop_wait: 1, retry_timeout: 5 }
  initdb: [ { encoding: UTF8 }, { locale: C.UTF-8 } ]
postgresql:
  listen: 127.0.0.1:5432
  connect_address: 127.0.0.1:5432
  data_dir: /var/lib/postgresql/main
  pgpass: /var/lib/agent/pgpass
  authentication:
    superuser: { username: postgres, password: secret-1 }
    replication: { username: replicator, password: secret-2 }
  parameters:
    unix_socket_directories: /var/run/postgresql
    archive_mode: "on"
    archive_command: "while [ -e /var/lib/agent/hang ]; do sleep 0.1; done"
END
  cat >"$root/etc/agent-witness.yml" <<'END'
scope: main
name: w
raft:
  self_addr: 127.0.0.1:7802
  partner_addrs: [127.0.0.1:7801]
  data_dir: /var/lib/agent-witness/raft
  witness: true
restapi: { listen: "127.0.0.1:8009", connect_address: "127.0.0.1:8009" }
END
  # As tutorials of Patroni give it, with this program.
  cat >"$root/etc/systemd/system/patroni.service" <<'END'
[Unit]
Description=Runners to orchestrate a high-availability PostgreSQL
After=syslog.target network.target
[Service]
Type=simple
User=postgres
Group=postgres
ExecStart=/usr/bin/agent run /etc/agent.yml
ExecReload=/bin/kill -s HUP $MAINPID
KillMode=process
TimeoutSec=30
Restart=no
[Install]
WantedBy=multi-user.target
END
  bare "$root" sh -c '
    chown postgres /etc/agent.yml && chown agent-witness /etc/agent-witness.yml && chmod 600 /etc/agent.yml /etc/agent-witness.yml
    mkdir /etc/systemd/system/agent-witness.service.d
    printf "[Unit]\nAssertPathExists=\nAssertPathExists=/etc/agent-witness.yml\n[Service]\nExecStart=\nExecStart=/usr/bin/agent witness /etc/agent-witness.yml\n" \
      >/etc/systemd/system/agent-witness.service.d/config.conf'
}

# drop_in UNIT LINE...: settings of the section Service, in place of those of the last call.
drop_in() {
  local directory=/etc/systemd/system/$1.service.d
  inside mkdir -p "$directory"
  printf '%s\n' '[Service]' "${@:2}" | inside sh -c "cat >$directory/test.conf"
  inside systemctl daemon-reload
}

property() { inside systemctl show --property="$2" --value "$1"; }
main_pid() { property "$1" MainPID; }
sql() { inside runuser -u postgres -- env PGPASSWORD=secret-1 psql -w -h /var/run/postgresql -XAtc "$1" postgres; }
is_primary() { [ "$(sql 'select pg_is_in_recovery()' 2>/dev/null)" = f ]; }
postmaster() { inside head -n 1 /var/lib/postgresql/main/postmaster.pid; }
control_state() { inside sh -c 'LC_ALL=C /usr/lib/postgresql/*/bin/pg_controldata /var/lib/postgresql/main | sed -n "s/^Database cluster state: *//p"'; }
nothing_runs() { no inside pgrep -u postgres; }
is_restarted() { [ "$(main_pid "$1")" != "$2" ] && inside systemctl is-active --quiet "$1"; }
is_fed() { [ "$(property "$1" WatchdogTimestampMonotonic)" != "$2" ]; }

# The next stop finds WAL whose archiving hangs, and takes longer than systemd waits.
hang_archiver() {
  inside touch /var/lib/agent/hang
  sql 'create table if not exists t (n int); insert into t values (1); select pg_switch_wal()' >/dev/null
}

has_none_of_systemd() {
  local pid
  for pid in $(inside pgrep -f 'agent guard') $(postmaster); do
    if inside grep -zE '^(NOTIFY_SOCKET|WATCHDOG_)' "/proc/$pid/environ"; then return 1; fi
  done
}

# outlives UNIT SIGNAL WHAT: the agent gets the signal; another one takes over, and PostgreSQL is the same.
outlives() {
  local unit=$1 agent before
  agent=$(main_pid "$unit")
  before=$(postmaster)
  inside systemctl kill --signal="$2" --kill-who=main "$unit"
  check "$3: it is started again" within 60 is_restarted "$unit" "$agent"
  check "$3: PostgreSQL is a primary" within 60 is_primary
  check "$3: it is the same PostgreSQL" equal "$(postmaster)" "$before"
}

test_own_units() {
  check "the installation has started nothing" no inside pgrep -x agent
  check "before the first start a member's file is valid to its user" \
    inside runuser -u postgres -- agent validate-config /etc/agent.yml
  check "and a witness's" inside runuser -u agent-witness -- agent validate-config --witness /etc/agent-witness.yml
  drop_in agent WatchdogSec=4
  drop_in agent-witness WatchdogSec=4
  check "both units start" inside systemctl start agent agent-witness
  check "a primary comes up" within 120 is_primary
  check "systemd is told that the agent's loop looks" within 30 is_fed agent "$(property agent WatchdogTimestampMonotonic)"
  check "and that of a witness" within 30 is_fed agent-witness "$(property agent-witness WatchdogTimestampMonotonic)"
  check "guard and PostgreSQL have none of systemd's variables" has_none_of_systemd
  check "a reload ends" inside timeout 30 systemctl reload agent agent-witness
  inside sh -c 'cp -p /etc/agent.yml /etc/good.yml && echo "loop_wait: [" >>/etc/agent.yml'
  check "a reload that is refused ends, too" inside timeout 30 systemctl reload agent
  inside mv /etc/good.yml /etc/agent.yml
  check "and the service goes on" equal "$(property agent ActiveState)" active

  outlives agent KILL "an agent that is killed"
  outlives agent STOP "an agent that hangs"
  local witness
  witness=$(main_pid agent-witness)
  inside systemctl kill --signal=STOP agent-witness
  check "a witness that hangs is started again" within 60 is_restarted agent-witness "$witness"

  drop_in agent TimeoutStopSec=1
  check "the primary is well" within 60 is_primary
  hang_archiver
  check "a stop that takes longer than TimeoutStopSec= is not cut short" inside systemctl stop agent
  inside rm /var/lib/agent/hang
  check "it has ended in order" equal "$(property agent Result) $(control_state)" "success shut down"
  check "nothing is left of it" within 10 nothing_runs
}

test_patronis_unit() {
  check "Patroni's unit starts it" inside systemctl start patroni
  check "Patroni's unit: a primary comes up" within 120 is_primary
  local before
  before=$(postmaster)
  inside systemctl kill --signal=KILL --kill-who=main patroni
  check "Patroni's unit, Restart=no: an agent that is killed stays away" within 30 no inside systemctl is-active --quiet patroni
  check "its PostgreSQL lives on" equal "$(postmaster)" "$before"
  check "it is started by hand, beside what is left" inside systemctl start patroni
  check "and goes on with the same PostgreSQL" within 60 is_primary
  check "which nobody has started anew" equal "$(postmaster)" "$before"

  check "the lease is made short" within 60 inside agent ctl -c /etc/agent.yml edit-config --set ttl=5 --set retry_timeout=2 --force
  inside systemctl kill --signal=KILL --kill-who=main patroni
  check "an agent that stays away: the guard ends PostgreSQL with the lease" within 60 nothing_runs_but_guard
  check "started later, it is a primary again" inside systemctl start patroni
  check "with what was written" within 120 is_primary
  inside systemctl reload patroni

  drop_in patroni TimeoutStopSec=1
  hang_archiver
  inside systemctl stop patroni || true
  check "a stop that is cut short by systemd: the agent is gone" equal "$(property patroni Result)" timeout
  check "PostgreSQL is not left writing" within 60 nothing_writes
  inside rm /var/lib/agent/hang
  drop_in patroni Restart=always RestartSec=1
  check "and is a primary again after the next start" inside systemctl start patroni
  check "with all rows" within 120 is_primary
  check "none is missing" equal "$(sql 'select count(*) from t')" 2
  # Two agents are killed in a row here: a busy machine may need longer for two starts than a short lease lasts.
  inside agent ctl -c /etc/agent.yml edit-config --set ttl=30 --set retry_timeout=5 --force >/dev/null
  check "the lease is made long again" within 60 lease_lasts 30000
  outlives patroni KILL "Patroni's unit, Restart=always, an agent that is killed"
  # Without READY=1 systemd takes it for started as soon as it is there.
  local agent
  agent=$(main_pid patroni)
  inside systemctl kill --signal=KILL --kill-who=main patroni
  within 60 is_restarted patroni "$agent"
  check "Patroni's unit stops it, while it starts" inside systemctl stop patroni
  check "PostgreSQL has ended in order" equal "$(property patroni Result) $(control_state)" "success shut down"
  check "and nothing is left" within 10 nothing_runs
}

lease_lasts() { inside agent ctl -c /etc/agent.yml timing | grep -q "^| ttl  *| $1 ms "; }

nothing_runs_but_guard() { no inside pgrep -u postgres -f 'bin/postgres|^postgres:'; }

# Past its shutdown checkpoint it acknowledges nothing, and the guard leaves it to its archiver.
nothing_writes() { nothing_runs_but_guard >/dev/null || [ "$(control_state)" = "shut down" ]; }

test_removal() {
  drop_in agent
  inside systemctl enable --now agent
  check "the package's unit runs again" within 120 is_primary
  check "the package is removed while it runs" inside dpkg -r agent
  check "the primary has ended in order" equal "$(control_state)" "shut down"
  check "no process is left" within 10 no inside pgrep -x agent
  check "it is purged" inside dpkg -P agent
  check "no data is removed" inside test -d /var/lib/agent/raft -a -d /var/lib/postgresql/main -a -e /etc/agent.yml
  check "the link of systemctl enable is" no inside test -L /etc/systemd/system/multi-user.target.wants/agent.service
}

test_service() {
  cp "$debs/agent_"*"_$arch.deb" "$root/root/agent.deb"
  bare "$root" dpkg -i /root/agent.deb >/dev/null
  config_files
  boot "$root"
  test_own_units
  test_patronis_unit
  test_removal
  if [ "$failed" -gt 0 ]; then inside journalctl --no-pager --lines 200 -u agent -u patroni -u agent-witness >&2 || true; fi
  power_off
}
