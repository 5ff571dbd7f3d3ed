/**
 * Configuration after parsing, validation and merging: the local file (fixed for the life of the process, but
 * for SIGHUP) and the effective dynamic configuration. Keys and defaults: docs of Patroni 4.1; see
 * docs/differences.md.
 */
import type { JsonObject } from "./json.ts";
import type { PermanentSlot } from "./permanent_slot.ts";
import type { StandbyCluster } from "./standby_cluster.ts";

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface Credentials {
  readonly username: string;
  readonly password: string | null;
  /** libpq connection options beside user and password: sslmode, sslcert, ... as given. */
  readonly options: { readonly [option: string]: string };
}

export interface LocalConfig {
  readonly name: string;
  readonly scope: string;
  readonly namespace: string;
  /** Absolute path of the file, for reloads and messages. */
  readonly file: string;
  readonly raft: RaftConfig;
  readonly restapi: RestApiConfig;
  readonly ctl: CtlConfig;
  /** null for a witness. */
  readonly postgresql: PostgresqlConfig | null;
  readonly bootstrap: BootstrapConfig;
  readonly watchdog: WatchdogConfig;
  readonly tags: JsonObject;
  readonly nofailover: boolean;
  readonly failoverPriority: number;
  readonly log: LogConfig;
  /** Local root keys that may also be dynamic (ttl, ...): used only as fallbacks. */
  readonly localDynamic: JsonObject;
}

export interface RaftConfig {
  /**
   * host:port at which the others reach this member; one of the initial addresses. null: takes part without
   * a vote.
   */
  readonly selfAddr: string | null;
  readonly bindAddr: string;
  readonly partnerAddrs: readonly string[];
  readonly dataDir: string;
  readonly password: string | null;
  readonly tls: { readonly certfile: string; readonly keyfile: string; readonly cafile: string } | null;
  /** Election and heartbeat times in ms. */
  readonly electionMinMs: number;
  readonly electionMaxMs: number;
  readonly heartbeatMs: number;
}

export interface RestApiConfig {
  readonly listen: HostPort;
  readonly connectAddress: string;
  readonly authentication: { readonly username: string; readonly password: string } | null;
  readonly certfile: string | null;
  readonly keyfile: string | null;
  readonly keyfilePassword: string | null;
  readonly cafile: string | null;
  /** Ciphers of TLS 1.2, as OpenSSL lists them; null: the usual ones. */
  readonly ciphers: string | null;
  readonly verifyClient: "none" | "optional" | "required";
  readonly allowlist: readonly string[];
  readonly allowlistIncludeMembers: boolean;
  /** `/metrics` has the old names, too. */
  readonly legacyMetrics: boolean;
  /** The page at `/ui` is served. */
  readonly ui: boolean;
  readonly httpExtraHeaders: { readonly [name: string]: string };
  readonly httpsExtraHeaders: { readonly [name: string]: string };
}

export interface CtlConfig {
  readonly authentication: { readonly username: string; readonly password: string } | null;
  readonly insecure: boolean;
  readonly cacert: string | null;
  readonly certfile: string | null;
  readonly keyfile: string | null;
  readonly keyfilePassword: string | null;
}

export interface PostgresqlConfig {
  /** Addresses of `listen`; the first is used for local connections when no socket is. */
  readonly listenAddresses: readonly string[];
  readonly port: number;
  /** host:port published to others. */
  readonly connectAddress: string;
  readonly proxyAddress: string | null;
  readonly dataDir: string;
  readonly configDir: string;
  /** null: programs are found in PATH (and in Debian's /usr/lib/postgresql/<newest>/bin). */
  readonly binDir: string | null;
  readonly binName: { readonly [program: string]: string };
  readonly pgpass: string;
  readonly useUnixSocket: boolean;
  readonly useUnixSocketRepl: boolean;
  readonly superuser: Credentials;
  readonly replication: Credentials;
  readonly rewind: Credentials;
  /** Ways to make a copy, in the order in which they are tried. */
  readonly createReplicaMethods: readonly ("basebackup" | ReplicaMethod)[];
  /** Options for pg_basebackup: strings or key/value. */
  readonly basebackup: readonly (string | { readonly [option: string]: string })[];
  readonly customConf: string | null;
  readonly callbacks: { readonly [hook: string]: string };
  /** How long a callback may take; 0: until the next one comes. */
  readonly callbackTimeoutS: number;
  readonly prePromote: string | null;
  readonly beforeStop: string | null;
  readonly pgCtlTimeoutS: number;
  readonly removeDataDirectoryOnRewindFailure: boolean;
  readonly removeDataDirectoryOnDivergedTimelines: boolean;
  /**
   * Local `postgresql.*` as JSON, to be merged over the dynamic section by the rules of docs/compatibility.md
   * section 3.1.
   */
  readonly raw: JsonObject;
}

/** A command of the user's own that copies a member, called as Patroni calls it. */
export interface ReplicaMethod {
  readonly name: string;
  readonly command: string;
  /** It goes on from what the data directory holds. */
  readonly keepData: boolean;
  /** It needs no running primary. */
  readonly noLeader: boolean;
  /** Without --scope, --role, --datadir and --connstring. */
  readonly noParams: boolean;
  readonly timeLimitS: number;
  /** Passed as --key=value. */
  readonly options: { readonly [option: string]: string };
}

export interface BootstrapConfig {
  readonly dcs: JsonObject;
  readonly initdb: readonly string[];
  readonly pgHba: readonly string[];
  readonly postBootstrap: string | null;
  readonly users: {
    readonly [name: string]: { readonly password: string | null; readonly options: readonly string[] };
  };
  /** A method of the user's own in place of initdb (`bootstrap.method`); null or absent: initdb. */
  readonly custom?: CustomBootstrap | null;
}

export interface CustomBootstrap {
  readonly name: string;
  readonly command: string;
  readonly keepExistingRecoveryConf: boolean;
  /** Without --scope and --datadir. */
  readonly noParams: boolean;
  readonly timeLimitS: number;
  readonly recoveryConf: { readonly [name: string]: string };
  /** Passed as --key=value. */
  readonly options: { readonly [option: string]: string };
}

export interface WatchdogConfig {
  readonly mode: "off" | "automatic" | "required";
  readonly device: string;
  /** null: unset (docs/watchdog.md: chosen by ttl). */
  readonly safetyMarginS: number | null;
  readonly driver: string;
}

export interface LogConfig {
  readonly type: "plain" | "json";
  readonly level: "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL";
  readonly dir: string | null;
  readonly mode: number | null;
  readonly fileNum: number;
  readonly fileSizeBytes: number;
  /** The file of decisions; null: they are not recorded. */
  readonly decisions: string | null;
  readonly staticFields: JsonObject;
  /** Layout of plain lines; null: Patroni's. */
  readonly format: string | null;
  /** Fields of JSON lines, and their names; null: Patroni's. */
  readonly jsonFields: readonly { readonly field: string; readonly name: string }[] | null;
  readonly dateFormat: string | null;
  /** Levels by the beginning of the event. */
  readonly loggers: { readonly [event: string]: LogConfig["level"] };
  readonly tracebackLevel: LogConfig["level"];
  /** Lines that wait for standard error to be read. */
  readonly maxQueueSize: number;
}

/**
 * The dynamic configuration in force on one member: DCS values merged with the local ones, defaults filled
 * in.
 */
export interface DynamicConfig {
  readonly ttlS: number;
  readonly loopWaitS: number;
  readonly retryTimeoutS: number;
  readonly maximumLagOnFailoverBytes: number;
  readonly maximumLagOnSyncnodeBytes: number;
  readonly checkTimeline: boolean;
  readonly maxTimelinesHistory: number;
  readonly primaryStartTimeoutS: number;
  readonly primaryStopTimeoutS: number;
  readonly synchronousMode: "off" | "on" | "quorum";
  readonly synchronousModeStrict: boolean;
  readonly synchronousNodeCount: number;
  readonly failsafeMode: boolean;
  readonly pause: boolean;
  /** ISO 8601: when the pause ends by itself; null: it does not. */
  readonly pauseUntil: string | null;
  readonly memberSlotsTtlS: number;
  /** 0: the health of the host and of PostgreSQL is not looked after. */
  readonly healthIntervalS: number;
  readonly diskWarningPercent: number;
  readonly diskCriticalPercent: number;
  /** A larger file system counts as one of this size. */
  readonly diskCapBytes: number;
  readonly diskTimeoutS: number;
  /** A sick holder hands over to a member that is better off. */
  readonly sickHandOver: boolean;
  readonly slots: readonly PermanentSlot[];
  readonly ignoreSlots: readonly JsonObject[];
  /** The cluster follows another one; null: it has a primary of its own. */
  readonly standbyCluster: StandbyCluster | null;
  readonly postgresql: EffectivePostgresql;
}

/** hold: the directory stays as it is, and waits for an operator. */
export const REJOIN_WAYS = ["rewind", "reclone", "hold"] as const;
export type RejoinWay = typeof REJOIN_WAYS[number];

/** What made a directory useless: each has a key that allows to remove it where it cannot be moved aside. */
export type UselessAfter = "rewind-failure" | "diverged-timelines";

export type ServerRole = "primary" | "replica" | "standby_leader";

export interface RoleSettings {
  /** Complete: those of every role, with the ones of this role over them. */
  readonly parameters: { readonly [name: string]: string };
  /** Lines for this role alone, in place of those of every role; null: none. */
  readonly pgHba: readonly string[] | null;
  readonly pgIdent: readonly string[] | null;
}

export interface EffectivePostgresql {
  readonly useSlots: boolean;
  /** How a server whose history differs comes back: the ways in the order in which they are tried. */
  readonly rejoin: readonly RejoinWay[];
  /** The limit of each step of a stop that has none of its own; never 0. */
  readonly pgCtlTimeoutS: number;
  /**
   * Server parameters: values as text, as written in postgresql.conf. The controlled ones (3.4) are in
   * `controlled`.
   */
  readonly parameters: { readonly [name: string]: string };
  /**
   * Parameters given on the command line, valid and complete. listen_addresses, port and cluster_name are
   * added from LocalConfig.
   */
  readonly controlled: { readonly [name: string]: string };
  /** A permanent slot is logical: standbys tell the primary which catalog rows it needs. */
  readonly logicalSlots: boolean;
  /** null: the file on disk is left alone. */
  readonly pgHba: readonly string[] | null;
  readonly pgIdent: readonly string[] | null;
  /** The parts that differ by role. */
  readonly roles: { readonly [role in ServerRole]: RoleSettings };
  readonly recoveryConf: { readonly [name: string]: string };
  /** Ways to make a copy, in the order in which they are tried. */
  readonly createReplicaMethods: readonly ("basebackup" | ReplicaMethod)[];
  /** Ways to copy the remote server of a standby cluster. */
  readonly remoteMethods: readonly ("basebackup" | ReplicaMethod)[];
  /** The cluster's `postgresql` section as it is, without facts of one host: callbacks, timeouts ... */
  readonly section: JsonObject;
}

/** A problem found in a configuration; `path` is dotted, `line` 1-based when known. */
export interface ConfigIssue {
  readonly severity: "error" | "warning";
  readonly path: string;
  readonly line: number | null;
  /** From 1; undefined: not known, as where there is no line. */
  readonly column?: number;
  readonly message: string;
}
