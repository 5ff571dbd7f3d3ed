/**
 * The files of all members of one cluster, side by side: what must be equal, what must differ, and what must
 * fit. Each problem stands at the file that has it, with the other one named. A secret is compared, and never
 * shown. Looks at the files alone: not at the hosts, not at a running cluster.
 */
import type { Credentials, LocalConfig, PostgresqlConfig } from "../model/config.ts";
import type { Json } from "../model/json.ts";
import { addressesClash, addressKey, formatHostPort, isLoopback, parseHostPort } from "../model/host_port.ts";
import { slotName } from "../model/slot_name.ts";
import { differences, sameJson } from "./bootstrap_difference.ts";
import { nearest } from "./check.ts";
import { describeValue, dottedPath, type Issues, type Path } from "./issues.ts";
import { listenersOf } from "./ports.ts";

export interface MemberFile {
  readonly config: LocalConfig;
  /** Takes what is found in this file. */
  readonly issues: Issues;
}

/**
 * The first file is what the others are compared with. `isComplete`: no file is missing because it could not
 * be read; else nobody can be said to be in none of them.
 */
export function checkClusterFiles(files: readonly MemberFile[], isComplete = true): void {
  const [first, ...others] = files;
  if (first === undefined) return;
  for (const other of others) mustBeEqual(first, other);
  for (const login of LOGINS) mustHaveOneLogin(login, files);
  // A witness initialises nothing.
  const [founder, ...more] = files.filter(({ config }) => config.postgresql !== null);
  for (const other of more) warnOfBeginnings(founder!, other);
  files.forEach((one, i) => {
    for (const earlier of files.slice(0, i)) mustDiffer(earlier, one);
    if (!isComplete) return;
    checkPartners(one, files);
    checkUpstream(one, files);
  });
  if (isComplete) warnWithoutSuccessor(files);
}

type Row = readonly [path: Path, value: (config: LocalConfig) => Json | undefined];

/** Members that differ in these do not find, or do not let in, each other. */
const EQUAL: readonly Row[] = [
  [["scope"], ({ scope }) => scope],
  [["namespace"], ({ namespace }) => namespace],
  [["raft", "election_timeout"], ({ raft }) => [raft.electionMinMs, raft.electionMaxMs]],
  [["raft", "heartbeat_interval"], ({ raft }) => raft.heartbeatMs],
];

/** Roles of one database, and logins of one interface; undefined: the member has no such thing. */
const LOGINS: readonly (readonly [path: Path, of: (config: LocalConfig) => Login | null | undefined])[] = [
  [["postgresql", "authentication", "superuser"], ({ postgresql }) => postgresql?.superuser],
  [["postgresql", "authentication", "replication"], ({ postgresql }) => postgresql?.replication],
  [
    ["postgresql", "authentication", "rewind"],
    ({ postgresql }) => postgresql === null ? undefined : ownRewind(postgresql),
  ],
  // That of a witness has little to protect.
  [
    ["restapi", "authentication"],
    ({ restapi, postgresql }) => postgresql === null ? undefined : restapi.authentication,
  ],
];

/** undefined: the superuser, whose difference is told. */
function ownRewind({ rewind, superuser }: PostgresqlConfig): Login | undefined {
  const isSame = rewind.username === superuser.username && rewind.password === superuser.password;
  return isSame ? undefined : rewind;
}

type Login = Pick<Credentials, "username" | "password">;

function mustBeEqual(first: MemberFile, { config, issues }: MemberFile): void {
  const where = first.config.file;
  for (const [path, value] of EQUAL) {
    const [here, there] = [value(config), value(first.config)];
    if (sameJson(here ?? null, there ?? null)) continue;
    const shown = (one: Json | undefined) => Array.isArray(one) ? one.join(" to ") : describeValue(path, one);
    issues.error(path, `must be equal in all members: ${shown(here)} here, ${shown(there)} in ${where}`);
  }
  secretsEqual(["raft", "password"], config.raft.password, first.config.raft.password, where, issues);
  if ((config.raft.tls === null) !== (first.config.raft.tls === null)) {
    const [has, lacks] = config.raft.tls === null ? [where, "this file"] : ["this file", where];
    issues.error(["raft", "tls"], `${has} has it, and ${lacks} does not: all members or none talk by TLS`);
  }
}

/** The others are compared with the first file that has the login: a witness has none. */
function mustHaveOneLogin([path, of]: typeof LOGINS[number], files: readonly MemberFile[]): void {
  const [first, ...others] = files.filter(({ config }) => of(config) !== undefined);
  for (const { config, issues } of others) {
    const [here, there, where] = [of(config), of(first!.config), first!.config.file];
    if (here?.username !== there?.username) {
      const [a, b] = [here, there].map((one) =>
        one === null ? "nothing" : describeValue(["username"], one?.username)
      );
      issues.error([...path, "username"], `must be equal in all members: ${a} here, ${b} in ${where}`);
    } else {
      secretsEqual([...path, "password"], here?.password ?? null, there?.password ?? null, where, issues);
    }
  }
}

function secretsEqual(
  path: Path,
  here: string | null,
  there: string | null,
  where: string,
  issues: Issues,
): void {
  if (here === there) return;
  const what = here === null
    ? `is missing here, and ${where} has one`
    : there === null
    ? `is there, and ${where} has none`
    : `is not that of ${where} (neither is shown)`;
  issues.error(path, `must be equal in all members: it ${what}`);
}

/** The one that initialises the cluster writes its own; which one that is, is not known before. */
function warnOfBeginnings(first: MemberFile, { config, issues }: MemberFile): void {
  const [here, there] = [config.bootstrap, first.config.bootstrap];
  const dcs: Path = ["bootstrap", "dcs"];
  const found = new Map<string, Path>();
  for (const [a, b] of [[here.dcs, there.dcs], [there.dcs, here.dcs]] as const) {
    for (const { path } of differences(a, b, [])) found.set(dottedPath(path), path);
  }
  const more: Path[] = (["initdb", "pgHba"] as const)
    .filter((key) => !sameJson([...here[key]], [...there[key]]))
    .map((key) => ["bootstrap", key === "pgHba" ? "pg_hba" : key]);
  for (const path of [...[...found.values()].map((inner) => [...dcs, ...inner]), ...more]) {
    issues.warning(
      path,
      `differs from ${first.config.file}: whichever member initialises the cluster writes its own value`,
    );
  }
}

function mustDiffer({ config: earlier }: MemberFile, { config, issues }: MemberFile): void {
  const where = earlier.file;
  if (config.name === earlier.name) {
    issues.error(["name"], `must differ between members: it is also that of ${where}`);
  } else if (slotName(config.name) === slotName(earlier.name)) {
    issues.error(
      ["name"],
      `gives the replication slot ${
        slotName(config.name)
      }, as ${earlier.name} of ${where} does: names must differ ` +
        "in more than case, hyphens and dots",
    );
  }
  for (const [path, own, others] of publishedAddresses(config, earlier)) {
    if (own !== null && others !== null && key(own) === key(others)) {
      issues.error(path, `${own} is also that of ${where}: members have addresses of their own`);
    }
  }
  if (onOneHost(config, earlier)) mustDifferOnOneHost(config, earlier, issues);
}

function publishedAddresses(a: LocalConfig, b: LocalConfig) {
  return [
    [["raft", "self_addr"], a.raft.selfAddr, b.raft.selfAddr],
    [["restapi", "connect_address"], a.restapi.connectAddress, b.restapi.connectAddress],
    [
      ["postgresql", "connect_address"],
      a.postgresql?.connectAddress ?? null,
      b.postgresql?.connectAddress ?? null,
    ],
  ] as const;
}

/** Two members of one host may not share what is the host's. Names are not looked up. */
function mustDifferOnOneHost(config: LocalConfig, earlier: LocalConfig, issues: Issues): void {
  const host = `both are on one host: it is also that of ${earlier.file}`;
  const directories: readonly (readonly [Path, string | null | undefined, string | null | undefined])[] = [
    [["raft", "data_dir"], config.raft.dataDir, earlier.raft.dataDir],
    [["postgresql", "data_dir"], config.postgresql?.dataDir, earlier.postgresql?.dataDir],
    [["log", "dir"], config.log.dir, earlier.log.dir],
    [["log", "decisions"], config.log.decisions, earlier.log.decisions],
  ];
  for (const [path, own, others] of directories) {
    if (typeof own === "string" && own === others) issues.error(path, `${own} must differ: ${host}`);
  }
  // An address that is published has a message of its own.
  const told = new Set(
    publishedAddresses(config, earlier).flatMap(([, own, others]) =>
      own !== null && others !== null && key(own) === key(others) ? [key(own)] : []
    ),
  );
  for (const { path, addresses } of listenersOf(config)) {
    for (const other of listenersOf(earlier)) {
      const clash = addresses.find((one) =>
        one.port !== 0 && !told.has(addressKey(one)) &&
        other.addresses.some((that) => addressesClash(one, that))
      );
      if (clash === undefined) continue;
      const what = `${formatHostPort(clash)} clashes with ${other.path.join(".")} of ${earlier.file}`;
      issues.error(path, `${what}: both are on one host, and need addresses or ports of their own`);
    }
  }
}

function onOneHost(a: LocalConfig, b: LocalConfig): boolean {
  const hosts = ({ raft, restapi, postgresql }: LocalConfig) =>
    [raft.selfAddr, restapi.connectAddress, postgresql?.connectAddress ?? null].flatMap((address) => {
      const host = address === null ? null : parseHostPort(address, 0)?.host ?? null;
      return host === null ? [] : [isLoopback(host) ? "this host" : host.toLowerCase()];
    });
  const own = hosts(a);
  return hosts(b).some((host) => own.includes(host));
}

/** The voters of a cluster that begins name each other: those who are not named would be another cluster. */
function checkPartners({ config, issues }: MemberFile, files: readonly MemberFile[]): void {
  const { raft } = config;
  const others = files.filter((one) => one.config !== config && one.config.raft.selfAddr !== null);
  const known = new Map(others.map(({ config: { raft } }) => [key(raft.selfAddr!), raft.selfAddr!]));
  const named = new Set(raft.partnerAddrs.map(key));
  raft.partnerAddrs.forEach((address, at) => {
    if (known.has(key(address))) return;
    const meant = meantAddress(address, [...known.values()].filter((one) => !named.has(key(one))));
    if (meant === null) {
      issues.warning(["raft", "partner_addrs", at], `${address} is raft.self_addr in none of these files`);
    } else {
      issues.error(
        ["raft", "partner_addrs", at],
        `${address} is raft.self_addr in none of these files; did you mean ${meant}?`,
      );
      named.add(key(meant));
    }
  });
  for (const { config: other } of others) {
    if (named.has(key(other.raft.selfAddr!))) continue;
    issues.warning(
      ["raft", "partner_addrs"],
      `does not name ${other.raft.selfAddr} (${other.name} of ${other.file}): that is right only for a member that ` +
        "joins, or is joined, later",
    );
  }
}

/** A voter that is not named: the same host with another port, or the same port on a host spelled alike. */
function meantAddress(address: string, missing: readonly string[]): string | null {
  const own = parseHostPort(address);
  return missing.find((one) => own !== null && parseHostPort(one)?.host === own.host) ??
    nearest(address, missing.filter((one) => parseHostPort(one)?.port === own?.port));
}

function checkUpstream({ config, issues }: MemberFile, files: readonly MemberFile[]): void {
  const upstream = config.tags["replicatefrom"];
  const names = files.filter((one) => one.config.postgresql !== null).map((one) => one.config.name);
  if (typeof upstream !== "string" || names.includes(upstream)) return;
  const near = nearest(upstream, names.filter((name) => name !== config.name));
  issues.warning(
    ["tags", "replicatefrom"],
    `names none of these members: it follows the primary${near === null ? "" : `; did you mean ${near}?`}`,
  );
}

function warnWithoutSuccessor(files: readonly MemberFile[]): void {
  const members = files.filter(({ config }) => config.postgresql !== null);
  const able = members.filter(({ config }) => !config.nofailover && config.failoverPriority > 0);
  if (members.length < 2 || able.length > 1) return;
  members.at(-1)!.issues.warning(
    ["tags"],
    able.length === 0
      ? "no member may become the primary (tags nofailover and failover_priority of all files)"
      : `only ${
        able[0]!.config.name
      } may become the primary (tags nofailover and failover_priority): none can take over`,
  );
}

/** Two spellings of one address give one text. */
function key(address: string): string {
  const parsed = parseHostPort(address, 0);
  return parsed === null ? address : addressKey(parsed);
}
