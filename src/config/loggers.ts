/**
 * The names that log.loggers may use: the first words of the events that lines carry, and Patroni's loggers
 * for the events that tell of the same.
 */

/** The first word of every event of the log; a test compares them with the sources. */
export const EVENT_ROOTS = [
  "action_done",
  "action_failed",
  "adopted",
  "ailment",
  "ailment_over",
  "before_stop",
  "callback_failed",
  "callback_replaced",
  "cancel",
  "cannot_lead",
  "certificate",
  "checkpoint_failed",
  "clock",
  "compare_wal",
  "config",
  "config_check",
  "crashed",
  "credentials",
  "data_directory",
  "decision",
  "disk_probe",
  "end_sessions",
  "event",
  "exit",
  "failsafe",
  "follow",
  "guard",
  "hook_output",
  "join",
  "late",
  "lock",
  "log",
  "machine",
  "memory",
  "operator_needed",
  "pending_restart",
  "postgresql",
  "postgresql_found",
  "promote_wait",
  "proposal",
  "raft",
  "reload",
  "renewal",
  "restapi",
  "server_certificates",
  "shutdown",
  "standby_moves",
  "standby_stands",
  "start",
  "start_check",
  "stop",
  "sync_setting",
  "sync_trouble",
  "sync_trouble_over",
  "sync_wait",
  "systemd",
  "wal_gone",
  "wal_room",
  "watchdog",
  "write_failed",
  "wrote_alone",
] as const;

const POSTGRESQL = [
  "postgresql",
  "postgresql_found",
  "action_done",
  "action_failed",
  "adopted",
  "crashed",
  "data_directory",
  "follow",
  "pending_restart",
  "server_certificates",
  "shutdown",
];

/** Names of Patroni's modules. The empty event stands for all. */
export const PATRONI_LOGGERS: { readonly [name: string]: readonly string[] } = {
  "patroni.ha": ["decision", "event", "lock", "renewal"],
  "patroni.api": ["restapi"],
  "patroni.dcs": ["raft", "proposal"],
  "patroni.dcs.raft": ["raft", "proposal"],
  "patroni.config": ["config", "reload"],
  "patroni.watchdog": ["watchdog"],
  "patroni.postgresql": POSTGRESQL,
  "patroni.postgresql.callback_executor": ["callback_failed", "callback_replaced", "hook_output"],
  "patroni.postgresql.rewind": ["compare_wal"],
  "patroni.postgresql.sync": ["sync_setting", "sync_trouble", "sync_trouble_over", "sync_wait"],
  patroni: [""],
  pysyncobj: ["raft"],
};

/** The beginnings of events that a name stands for; none: nothing here has that name. */
export function loggersOf(name: string): readonly string[] {
  if (Object.hasOwn(PATRONI_LOGGERS, name)) return PATRONI_LOGGERS[name]!;
  const root = name.split(".")[0]!;
  return (EVENT_ROOTS as readonly string[]).includes(root) ? [name] : [];
}
