/**
 * The raft section: addresses of the voters, the directory of the log, and how members prove who they are.
 */
import type { RaftConfig } from "../model/config.ts";
import { expected } from "./check.ts";
import type { Issues } from "./issues.ts";
import { checkPassword, checkRaftDirectory } from "./names.ts";
import type { RaftSection } from "./keys/raft.ts";
import {
  addressKey,
  formatHostPort,
  isLoopback,
  isWildcard,
  leadsBack,
  parseHostPort,
} from "../model/host_port.ts";
import type { JsonObject } from "../model/json.ts";
import { isJsonObject } from "../model/merge.ts";
import { absolutePath, isWithin, parentDirectory } from "../model/posix_path.ts";
import type { PathContext } from "../model/posix_path.ts";
import { parseQuantity } from "../model/time_units.ts";

export interface RaftSurroundings {
  readonly name: string;
  /** Absolute data directory of PostgreSQL; null on a witness. */
  readonly postgresDataDir: string | null;
  readonly paths: PathContext;
}

const DEFAULT_ELECTION_MS = [600, 1000] as const;
/** docs/adr/0004: a leader that misses two of them is not given up yet. */
const DEFAULT_HEARTBEAT_MS = 200;

/** null after an error was reported. */
export function buildRaft(section: RaftSection, around: RaftSurroundings, issues: Issues): RaftConfig | null {
  const partners = partnerAddresses(section, issues);
  const selfAddr = section.self_addr ?? null;
  const bindAddr = section.bind_addr ?? selfAddr ?? "127.0.0.1:0";
  const tls = section.tls ? pickTls(section.tls) : null;
  const password = section.password ? section.password : null;
  checkPassword(password ?? "", ["raft", "password"], issues);
  checkAddresses(selfAddr, bindAddr, partners, issues);
  if (password === null && tls === null) requireLoopback(selfAddr, bindAddr, partners, issues);
  const dataDir = dataDirectory(section, around, issues);
  const times = electionTimes(section, issues);
  if (dataDir === null || times === null) return null;
  return { selfAddr, bindAddr, partnerAddrs: partners, dataDir, password, tls, ...times };
}

function pickTls(tls: NonNullable<RaftSection["tls"]>): NonNullable<RaftConfig["tls"]> {
  return { certfile: tls.certfile, keyfile: tls.keyfile, cafile: tls.cafile };
}

function partnerAddresses(section: RaftSection, issues: Issues): string[] {
  const addresses: string[] = [];
  (section.partner_addrs ?? []).forEach((text, i) => {
    const parsed = parseHostPort(text);
    const path = ["raft", "partner_addrs", i];
    if (!parsed) issues.error(path, expected("text like host:port", path, text));
    else if (isWildcard(parsed.host)) {
      issues.error(path, "this address stands for all interfaces: name the one of that member");
    } else addresses.push(formatHostPort(parsed));
  });
  return addresses;
}

function checkAddresses(
  selfAddr: string | null,
  bindAddr: string,
  partners: readonly string[],
  issues: Issues,
): void {
  if (selfAddr === null && partners.length === 0) {
    issues.error(
      ["raft", "self_addr"],
      "required: this member's own host:port, which the other members reach it at",
    );
    return;
  }
  const own = selfAddr === null ? null : parseHostPort(selfAddr);
  if (own && isWildcard(own.host)) {
    issues.error(
      ["raft", "self_addr"],
      `${selfAddr} stands for all interfaces, and no host can connect to it: name this host's address here, and put ${selfAddr} into raft.bind_addr`,
    );
  }
  const bind = parseHostPort(bindAddr);
  const seen = new Set<string>();
  partners.forEach((partner, i) => {
    const key = keyOf(partner);
    if (own && key === addressKey(own)) {
      issues.error(
        ["raft", "partner_addrs", i],
        `${partner} is this member's own raft.self_addr: partner_addrs names the others only`,
      );
    } else if (own && [own, bind].some((one) => one && leadsBack(parseHostPort(partner)!, one))) {
      issues.error(["raft", "partner_addrs", i], leadsBackText(partner));
    } else if (seen.has(key)) {
      issues.error(
        ["raft", "partner_addrs", i],
        `${partner} is there twice: the quorum would count a member that does not exist`,
      );
    }
    seen.add(key);
  });
  if (own) seen.add(addressKey(own));
  const voters = seen.size;
  if (own && voters % 2 === 0) {
    issues.warning(
      ["raft", "partner_addrs"],
      `${voters} voters: an even number survives no more failures than ${voters - 1} would; ` +
        (voters === 2
          ? "with one of the two down nothing can be decided. Add a third member or a witness"
          : "add or remove one, or add a witness"),
    );
  }
  if (!bind && bindAddr !== "127.0.0.1:0") {
    issues.error(["raft", "bind_addr"], expected("text like host:port", ["raft", "bind_addr"], bindAddr));
  }
}

/** Why a partner's address must not be there. */
export function leadsBackText(partner: string): string {
  return `${partner} leads to this member itself: partner_addrs names the others only. Leave it out, or correct the ` +
    "address of the member that was meant";
}

/** Members that prove nothing to each other may only be reached from the host they run on. */
function requireLoopback(
  selfAddr: string | null,
  bindAddr: string,
  partners: readonly string[],
  issues: Issues,
): void {
  const open = [selfAddr, bindAddr, ...partners].find((address) =>
    address !== null && !isLoopback(hostOf(address))
  );
  if (open === undefined) return;
  issues.error(
    ["raft", "password"],
    `required: ${open} can be reached from other hosts, and any host that reaches it could take over the cluster. ` +
      "Add the same raft.password on every member (members prove that they know it; traffic is not encrypted), or " +
      "raft.tls with certfile, keyfile and cafile (mutual TLS)",
  );
}

function dataDirectory(section: RaftSection, around: RaftSurroundings, issues: Issues): string | null {
  const path = ["raft", "data_dir"];
  if (section.data_dir === undefined) {
    if (around.postgresDataDir === null) {
      issues.error(path, "required: a directory of its own for the log of the cluster's decisions");
      return null;
    }
    const chosen = `${parentDirectory(around.postgresDataDir)}/${around.name.replaceAll("/", "_")}.raft`;
    checkRaftDirectory(chosen, path, issues);
    issues.warning(
      path,
      `not set: ${chosen} is used; name it, so that it never moves with postgresql.data_dir`,
    );
    return chosen;
  }
  const dataDir = absolutePath(section.data_dir, around.paths);
  checkRaftDirectory(dataDir, path, issues);
  const postgres = around.postgresDataDir;
  if (postgres !== null && isWithin(dataDir, postgres)) {
    issues.error(
      path,
      "lies in postgresql.data_dir, which is emptied and copied from other members: put it elsewhere",
    );
    return null;
  }
  if (postgres !== null && isWithin(postgres, dataDir)) {
    issues.warning(path, "holds postgresql.data_dir: better give the log a directory of its own");
  }
  return dataDir;
}

function electionTimes(
  section: RaftSection,
  issues: Issues,
): Pick<RaftConfig, "electionMinMs" | "electionMaxMs" | "heartbeatMs"> | null {
  const path = ["raft", "election_timeout"];
  const given = section.election_timeout?.map((value) => parseQuantity(value, "ms"));
  if (given?.some((value) => value === null)) {
    issues.error(path, "expected times in ms (600) or with a unit (600ms, 1s)");
    return null;
  }
  const electionMinMs = given?.[0] ?? DEFAULT_ELECTION_MS[0];
  const electionMaxMs = given === undefined
    ? DEFAULT_ELECTION_MS[1]
    : given[1] ?? Math.ceil(electionMinMs * 5 / 3);
  if (electionMinMs >= electionMaxMs || electionMaxMs > 600_000) {
    issues.error(
      path,
      `the smaller time comes first and differs from the larger (at most 10min): got ${electionMinMs} and ${electionMaxMs} ms`,
    );
    return null;
  }
  const heartbeatMs = section.heartbeat_interval ??
    Math.min(DEFAULT_HEARTBEAT_MS, Math.floor(electionMinMs / 3));
  if (electionMinMs < 3 * heartbeatMs) {
    issues.error(
      path,
      `${electionMinMs} ms is less than 3 heartbeats of ${heartbeatMs} ms (raft.heartbeat_interval): one late packet would start an election`,
    );
    return null;
  }
  return { electionMinMs, electionMaxMs, heartbeatMs };
}

/** A raft section to start from, for a file that names another store: addresses guessed from what it says. */
export function proposeRaftSection(merged: JsonObject): string {
  const own = ["postgresql", "restapi"].map((section) => connectHost(merged[section])).find((host) =>
    host !== null
  );
  const name = typeof merged["name"] === "string" ? merged["name"] : "node1";
  const port = 7800;
  return [
    "raft:",
    `  self_addr: ${own ? formatHostPort({ host: own, port }) : `<address of this host>:${port}`}`,
    "  partner_addrs:            # the other members, each with its own address and port",
    `    - <address of the second host>:${port}`,
    `    - <address of the third host>:${port}`,
    `  data_dir: /var/lib/agent/${name}.raft`,
    "  password: <the same on every member>",
  ].join("\n");
}

function connectHost(section: unknown): string | null {
  const value = isJsonObject(section) ? section["connect_address"] : undefined;
  return typeof value === "string" ? parseHostPort(value, 1)?.host ?? null : null;
}

function hostOf(address: string): string {
  return parseHostPort(address, 1)?.host ?? "127.0.0.1";
}

function keyOf(address: string): string {
  const parsed = parseHostPort(address);
  return parsed ? addressKey(parsed) : address;
}
