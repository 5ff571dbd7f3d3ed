/**
 * One cluster for the recipes of docs/recipes: hosts with network namespaces of their own, a REST API for
 * clients with a certificate only, and beside it whatever of Debian's programs is installed, with the files
 * of docs/recipes.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { parse } from "yaml";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { toYaml } from "../../src/demo/node_config.ts";
import { nowMs } from "../../src/demo/now.ts";
import { type Acknowledged, lostIds } from "../../src/demo/outage.ts";
import { freePorts } from "../../src/demo/ports.ts";
import { lookupUser } from "../../src/demo/system_user.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import type { JsonObject } from "../../src/model/json.ts";
import { commandLine, signal } from "../../src/demo/processes.ts";
import type { RunResult } from "../../src/demo/run.ts";
import { applyPatch } from "../../src/model/merge.ts";
import { findPrograms } from "../../src/postgres/programs.ts";
import { Certificates } from "./certificates.ts";
import { user } from "./environment.ts";
import { START_MS, startHealthy } from "./harness.ts";
import { NetworkFixture } from "./network_cluster.ts";
import { programOf, recipe, Service, type Values } from "./recipes.ts";
import {
  APP,
  type Ask,
  byAddress,
  byLibrary,
  type Library,
  PREPARATION,
  runPsql,
  TABLE,
  Way,
  WRITES_OF_A_CONNECTION,
} from "./ways.ts";

/** Password of the role by which PgBouncer looks up the others'. */
const LOOKUP_PASSWORD = "looked up";
const IDS_PER_WAY = 1e9;
const certificates = new Certificates();
export const haproxy = programOf("haproxy");
export const pgbouncer = programOf("pgbouncer");
/** Its check is made by curl. */
export const keepalived = programOf("curl") === null ? null : programOf("keepalived");

/** PostgreSQL as the members find it; `major` is that of libpq, too. */
export function installed(): { readonly directory: string; readonly major: number } {
  return findPrograms({ binDir: null, binName: {}, dataDir: "/nonexistent" });
}

interface Reader {
  readonly name: string;
  readonly ask: Ask;
}

export class RecipeFixture extends NetworkFixture {
  /** Any user may come into it: PgBouncer is PostgreSQL's, HAProxy and keepalived are root's. */
  #files = "";
  #services: Service[] = [];
  /** Port of the PgBouncer that stands before HAProxy. */
  #console = 0;
  #library: Library = { psql: "", file: "" };
  /** Those that lead writers to the primary. */
  ways: Way[] = [];
  /** Those that lead readers to a standby. */
  readers: Reader[] = [];

  async openRecipes(): Promise<void> {
    await this.openWithNetwork(
      { dcs: { ttl: 2 }, clientCertificate: certificates.authority.issue({ usages: ["clientAuth"] }) },
      (cluster) => this.#begin(cluster),
      (network) => ({
        override: (name) => restOf(name, network.place(Number(name.slice("node".length))).address),
      }),
    );
  }

  override async close(): Promise<void> {
    await Promise.all(this.ways.map((way) => way.stop()));
    for (const service of this.#services) service.kill();
    await super.close();
    this.ways = [];
    this.readers = [];
    this.#services = [];
    if (this.#files !== "") rmSync(this.#files, { recursive: true, force: true });
  }

  /** Everything runs, also beside the cluster, and every way leads to the primary. */
  async allWell(): Promise<Host> {
    const primary = await this.healed();
    for (const service of this.#services) service.ensure();
    await this.follow(primary, nowMs());
    return primary;
  }

  /** The host is gone without a word, until it is mended: nobody is told that a connection has ended. */
  async dies(host: Host): Promise<void> {
    this.cut(host);
    await host.powerOff();
    // The kernel of a host without power keeps no addresses.
    this.#ip(host, "addr", "del", `${this.virtualAddress}/24`, "dev", "eth0");
  }

  /** Whether that host has the virtual IP. */
  hasVirtualAddress(host: Host): boolean {
    return this.#ip(host, "-o", "addr", "show", "dev", "eth0").includes(` ${this.virtualAddress}/`);
  }

  /** keepalived ends without having taken anything back. */
  async killKeepalived(host: Host): Promise<void> {
    await waitFor(`the end of keepalived on ${host.name}`, START_MS, () => {
      const pids = host.processes().filter((pid) => commandLine(pid)[0] === keepalived);
      // Its child takes the address away when it hears of the end of its parent.
      for (const name of ["SIGSTOP", "SIGKILL"] as const) for (const pid of pids) signal(pid, name);
      return pids.length === 0;
    });
  }

  #ip(host: Host, ...args: string[]): string {
    const [program, ...rest] = [...this.inside(host), "ip", ...args];
    return spawnSync(program!, rest, { encoding: "utf8" }).stdout;
  }

  get virtualAddress(): string {
    return this.cluster.hosts[0]!.addresses.address.replace(/\d+$/, "100");
  }

  /** Every way leads to that member, with writes that were sent from `sinceMs` on. */
  async follow(host: Host, sinceMs: number): Promise<void> {
    await Promise.all(this.ways.map((way) => way.follows(host, sinceMs)));
  }

  /** What `old` has confirmed that was sent when another member had already confirmed something. */
  lateAcks(old: Host, sinceMs: number): Acknowledged[] {
    const acks = this.ways.flatMap((way) => way.acks).filter((ack) => ack.sentMs >= sinceMs);
    const first = Math.min(...acks.filter(({ node }) => node !== old.name).map(({ ackMs }) => ackMs));
    return acks.filter(({ node, sentMs }) => node === old.name && sentMs > first);
  }

  /** Confirmed writes that `host` does not hold. */
  async lost(host: Host): Promise<number[]> {
    const acks = this.ways.flatMap((way) => way.acks);
    const client = await this.cluster.connect(host, APP);
    try {
      const { rows } = await client.query<{ id: string }>("SELECT id FROM written");
      return lostIds(acks, new Set(rows.map(({ id }) => Number(id))));
    } finally {
      await client.end();
    }
  }

  /** One statement by the service for writers. */
  psql(sql: string): Promise<RunResult> {
    return runPsql(this.#library, "app", sql);
  }

  /** A reader by libpq's service for readers, and more settings. */
  reader(more: string): Ask {
    return byLibrary(this.#library, "app-reading", more);
  }

  /** A library of PostgreSQL's own, as `preload/NAME` beside the data directory of that member. */
  giveLibrary(host: Host, name: string): void {
    const directory = join(host.directory, "preload");
    mkdirSync(directory, { recursive: true });
    copyFileSync(join(installed().directory, "../lib", `${name}.so`), join(directory, `${name}.so`));
  }

  /** A command to the PgBouncer that stands before HAProxy. */
  async tellPgbouncer(command: string): Promise<void> {
    const client = new pg.Client({
      host: "127.0.0.1",
      port: this.#console,
      user: "pgbouncer",
      password: LOOKUP_PASSWORD,
      database: "pgbouncer",
    });
    await client.connect();
    await client.query(command).finally(() => client.end());
  }

  way(name: string): Way {
    const found = this.ways.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no way is called ${name}`);
    return found;
  }

  async #begin(cluster: Cluster): Promise<void> {
    this.#files = mkdtempSync(join(tmpdir(), "agent-recipes-"));
    chmodSync(this.#files, 0o711);
    for (const host of cluster.hosts) listenEverywhere(host);
    await startHealthy(cluster);
    const primary = await cluster.waitForPrimary();
    for (const sql of PREPARATION) await cluster.query(primary, sql);
    const client = await cluster.connect(primary, APP);
    const lookup = recipe("pgbouncer.sql", { "CHANGE-ME": LOOKUP_PASSWORD });
    await client.query(`${TABLE}; ${lookup}`).finally(() => client.end());
    this.#addLibrary(cluster);
    if (keepalived !== null) this.#addKeepalived(cluster, keepalived);
    if (haproxy !== null) await this.#addHaproxy(cluster, haproxy);
    for (const service of this.#services) service.ensure();
    for (const way of this.ways) way.start();
  }

  /** Writes a file of docs/recipes, filled in; `of`: the host that it is for, where each has its own. */
  #write(file: string, values: Values, of = ""): string {
    const path = join(this.#files, `${of}${file}`);
    writeFileSync(path, recipe(file, values), { mode: 0o600 });
    return path;
  }

  /** The same for a program that runs as the user of PostgreSQL. */
  #writeForUser(file: string, values: Values, of = ""): string {
    const path = this.#write(file, values, of);
    const { uid, gid } = lookupUser(user!);
    chownSync(path, uid, gid);
    return path;
  }

  /** The user that a program has gone on as. */
  uidOf(name: string): number {
    return this.#services.find((service) => service.name === name)!.uid;
  }

  #addWay(name: string, ask: Ask, writesOfAConnection = WRITES_OF_A_CONNECTION): void {
    this.ways.push(new Way(name, ask, this.ways.length * IDS_PER_WAY, writesOfAConnection));
  }

  #addLibrary(cluster: Cluster): void {
    const file = this.#write("pg_service.conf", addressesOf(cluster, { postgres: true }));
    this.#library = { psql: join(installed().directory, "psql"), file };
    this.#addWay("libpq", byLibrary(this.#library, "app"), 1);
    this.readers.push({ name: "libpq", ask: byLibrary(this.#library, "app-reading") });
  }

  async #addHaproxy(cluster: Cluster, program: string): Promise<void> {
    const [writers, readers] = await freePorts(2) as [number, number];
    const { ca, cert, key } = certificates.authority.issue({ commonName: "haproxy", usages: ["clientAuth"] });
    const [caFile, clientFile] = [join(this.#files, "ca.pem"), join(this.#files, "client.pem")];
    writeFileSync(caFile, ca);
    writeFileSync(clientFile, `${cert}${key}`, { mode: 0o600 });
    const file = this.#write("haproxy.cfg", {
      ...addressesOf(cluster, { postgres: true, rest: true }),
      5000: writers,
      5001: readers,
      "/etc/haproxy/agent-ca.pem": caFile,
      "/etc/haproxy/agent-client.pem": clientFile,
    });
    const more = pgbouncer === null ? [] : ["-f", await this.#addPgbouncers(cluster, pgbouncer, writers)];
    this.#services.push(new Service("haproxy", [program, "-db", "-f", file, ...more], this.#files));
    this.#addWay("HAProxy", byAddress("127.0.0.1", writers));
    this.readers.push({ name: "HAProxy", ask: byAddress("127.0.0.1", readers) });
  }

  /** One before HAProxy, and one on each member. Returns what HAProxy needs for the latter. */
  async #addPgbouncers(cluster: Cluster, program: string, writers: number): Promise<string> {
    const [front, onMembers, pooled] = await freePorts(3) as [number, number, number];
    const users = {
      "/etc/pgbouncer/userlist.txt": this.#writeForUser("userlist.txt", { "CHANGE-ME": LOOKUP_PASSWORD }),
    };
    const frontFile = this.#writeForUser("pgbouncer-front.ini", { ...users, 5000: writers, 6432: front });
    this.#services.push(new Service("pgbouncer", [program, "-u", user!, frontFile], this.#files));
    for (const host of cluster.hosts) {
      const { address, postgresPort } = host.addresses;
      const values = { ...users, "10.0.0.11": address, 5432: postgresPort, 6432: onMembers };
      const file = this.#writeForUser("pgbouncer-member.ini", values, host.name);
      const command = [...this.inside(host), program, "-u", user!, file];
      this.#services.push(new Service("pgbouncer", command, host.directory));
    }
    this.#addWay("PgBouncer before HAProxy", byAddress("127.0.0.1", front, START_MS));
    this.#console = front;
    this.#addWay("PgBouncer on each member", byAddress("127.0.0.1", pooled));
    return this.#write("haproxy-pooled.cfg", { ...addressesOf(cluster, {}), 5002: pooled, 6432: onMembers });
  }

  #addKeepalived(cluster: Cluster, program: string): void {
    for (const host of cluster.hosts) {
      const [one, other] = cluster.others(host);
      const file = this.#write("keepalived.conf", {
        "10.0.0.10": this.virtualAddress,
        "10.0.0.11": host.addresses.address,
        "10.0.0.12": one!.addresses.address,
        "10.0.0.13": other!.addresses.address,
        8008: host.addresses.restPort,
        "/etc/agent/tls/ca.pem": certificates.fileOf(host.name, "ca"),
        "/etc/agent/tls/node1.pem": certificates.fileOf(host.name, "cert"),
        "/etc/agent/tls/node1.key": certificates.fileOf(host.name, "key"),
      }, host.name);
      const pids = ["-p", join(host.directory, "keepalived.pid"), "-r", join(host.directory, "vrrp.pid")];
      const command = [...this.inside(host), program, "-n", "-l", "-D", "-f", file, ...pids];
      this.#services.push(new Service("keepalived", command, host.directory));
    }
    this.#addWay("virtual IP", byAddress(this.virtualAddress, cluster.hosts[0]!.addresses.postgresPort));
  }
}

/** The member's REST API as the recipe for client certificates has it. */
function restOf(name: string, address: string): JsonObject {
  certificates.write(name, certificates.authority.issue({ commonName: name, names: [address] }));
  const [certfile, keyfile, cafile] = (["cert", "key", "ca"] as const).map((part) =>
    certificates.fileOf(name, part)
  ) as [string, string, string];
  return applyPatch({}, { restapi: { certfile, keyfile, cafile, verify_client: "required" } });
}

/** As docs/examples have it; a virtual IP needs it. */
function listenEverywhere({ configFile, addresses }: Host): void {
  const listen = `0.0.0.0:${addresses.postgresPort}`;
  const file = parse(readFileSync(configFile, "utf8")) as JsonObject;
  writeFileSync(configFile, toYaml(applyPatch(file, { postgresql: { listen } })));
}

/** In the place of 10.0.0.11 and so on, and of the ports that a file has. */
function addressesOf(
  cluster: Cluster,
  ports: { readonly postgres?: boolean; readonly rest?: boolean },
): Values {
  const { postgresPort, restPort } = cluster.hosts[0]!.addresses;
  return {
    ...Object.fromEntries(cluster.hosts.map(({ addresses }, i) => [`10.0.0.1${i + 1}`, addresses.address])),
    ...(ports.postgres ? { 5432: postgresPort } : {}),
    ...(ports.rest ? { 8008: restPort } : {}),
  };
}
