/**
 * The units of systemd: of a member, and of a witness. The only source of their text: docs/systemd, the
 * Debian package and `agent install-service` are printed from here. Pure.
 */

export interface UnitOptions {
  readonly witness: boolean;
  /** Absolute path of the program. */
  readonly program: string;
  /** Absolute path of the configuration. */
  readonly config: string;
  readonly user: string;
}

const MEMBER: UnitOptions = {
  witness: false,
  program: "/usr/local/bin/agent",
  config: "/etc/agent.yml",
  user: "postgres",
};
/** Where nothing else is said. A witness's host has no PostgreSQL, and so no user of it. */
export const UNIT_DEFAULTS: { readonly [kind in "member" | "witness"]: UnitOptions } = {
  member: MEMBER,
  witness: { ...MEMBER, witness: true, user: "agent-witness" },
};

/** In /var/lib: systemd makes it, for the unit's user, when the service starts. */
export const STATE_DIRECTORIES = { member: "agent", witness: "agent-witness" } as const;

export function unitName(witness: boolean): string {
  return witness ? "agent-witness.service" : "agent.service";
}

/** In [Unit] "%" stands for a specifier. */
function escapedPath(path: string): string {
  return path.replaceAll("%", "%%");
}

/** A word of a command line: systemd knows quotes, backslashes, "$" and "%". */
function escapedWord(word: string): string {
  const escaped = word.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("$", "$$$$")
    .replaceAll("%", "%%");
  return /^[\w@./:+,=$%-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}

function head({ witness, config }: UnitOptions): string {
  const what = witness
    ? "A voter of a PostgreSQL cluster, without PostgreSQL"
    : "PostgreSQL high availability";
  return `[Unit]
Description=${what}
# Begins after the network is there, and ends before it goes: a stop hands over to another member.
Wants=network-online.target
After=network-online.target network.target
AssertPathExists=${escapedPath(config)}
# However often it ends at its start (a program that is missing during an upgrade), it is started again.
StartLimitIntervalSec=0
`;
}

/** How the service is started and watched; the same for both. */
function course({ witness, program, config }: UnitOptions): string {
  return `ExecStart=${escapedWord(program)} ${witness ? "witness" : "run"} ${escapedWord(config)}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
# Removed from the cluster (agent ctl raft remove): starting it again is of no use.
RestartPreventExitStatus=3
# A loop that has not looked for so long hangs. SIGKILL, as a process that hangs handles no other signal.
WatchdogSec=30
WatchdogSignal=SIGKILL
`;
}

/**
 * systemd gives a runtime directory to User=, with all that is in it. On Debian /run/postgresql belongs to
 * postgres (postgresql-common makes it at each boot), and holds the sockets of all servers of the host:
 * nobody else may take it.
 */
function socketDirectory({ user }: UnitOptions): string {
  if (user !== MEMBER.user) {
    return `# For the socket of PostgreSQL (unix_socket_directories: /run/agent). The usual place, /run/postgresql, belongs to
# the user postgres; members of that group may write there, too.
RuntimeDirectory=agent
RuntimeDirectoryPreserve=yes
`;
  }
  return `# For the socket of PostgreSQL, with the mode that Debian gives it.
RuntimeDirectory=postgresql
RuntimeDirectoryMode=2775
RuntimeDirectoryPreserve=yes
`;
}

function member(options: UnitOptions): string {
  return `${head(options)}
[Service]
Type=notify
User=${options.user}
# For raft.data_dir and postgresql.pgpass.
StateDirectory=${STATE_DIRECTORIES.member}
StateDirectoryMode=0700
${
    socketDirectory(options)
  }# The watchdog device belongs to root. To give it to the agent (docs/watchdog.md), in a drop-in:
#ExecStartPre=-+/sbin/modprobe softdog
#ExecStartPre=-+/bin/chown ${options.user} /dev/watchdog
${
    course(options)
  }# Only the agent is stopped by systemd: guard and PostgreSQL outlive a killed agent, so that the next one finds them.
KillMode=process
# A stop writes a checkpoint and hands over to another member first. While its steps are within their own limits
# (pg_ctl_timeout), the agent asks systemd for more time.
TimeoutStopSec=120
# For agent, guard and postmaster: PostgreSQL's sessions go back to 0. One of them that the kernel kills is no
# reason to stop the agent.
OOMScoreAdjust=-900
OOMPolicy=continue
# The guard's timer comes in time on a busy host, and is not swapped out. PostgreSQL does not inherit the priority.
LimitRTPRIO=10
LimitMEMLOCK=infinity
# For PostgreSQL's processes as well.
LimitNOFILE=65536
TasksMax=infinity
UnsetEnvironment=BUN_OPTIONS BUN_BE_BUN
# No sandbox (ProtectSystem=, PrivateTmp=, NoNewPrivileges=, ...): PostgreSQL and the scripts of callbacks, archiving
# and restores would be in it. PrivateDevices= would hide the watchdog.

[Install]
WantedBy=multi-user.target
`;
}

function witness(options: UnitOptions): string {
  return `${head(options)}
[Service]
Type=notify
User=${options.user}
# For raft.data_dir.
StateDirectory=${STATE_DIRECTORIES.witness}
StateDirectoryMode=0700
${course(options)}TimeoutStopSec=15
OOMScoreAdjust=-900
LimitNOFILE=65536
UnsetEnvironment=BUN_OPTIONS BUN_BE_BUN
# It starts no other program, and writes into raft.data_dir and log.dir.
NoNewPrivileges=yes
PrivateDevices=yes
ProtectSystem=full
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictSUIDSGID=yes

[Install]
WantedBy=multi-user.target
`;
}

/** The text of the unit file. The options are valid: optionsProblem finds nothing. */
export function unitText(options: UnitOptions): string {
  return options.witness ? witness(options) : member(options);
}

/** What keeps a unit from being written with these options; null: nothing. */
export function optionsProblem({ program, config, user }: UnitOptions): string | null {
  for (const [name, path] of [["program", program], ["--config", config]] as const) {
    if (!path.startsWith("/")) return `${name}: an absolute path, not '${path}'`;
    // deno-lint-ignore no-control-regex
    if (/[\x00-\x1f\x7f]/.test(path)) return `${name}: a path without control characters`;
  }
  if (/[\s'"\\$]/.test(program)) {
    return `program: systemd starts no program with blanks, quotes or $ in its path: ${program}`;
  }
  // The program itself runs by that name when its file was replaced or removed; to systemd it is systemd.
  if (program.startsWith("/proc/")) {
    return "program: its file has been replaced or removed meanwhile: give the command again";
  }
  // At the end of a line of the unit the one joins it with the next, and the other is passed over.
  if (/[\s\\]$/.test(config)) return "--config: a path that ends neither with a blank nor with a backslash";
  if (!/^[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?$/.test(user)) return `--user: the name of a user, not '${user}'`;
  if (user === "root") return "--user: name an ordinary user, not root";
  return null;
}
