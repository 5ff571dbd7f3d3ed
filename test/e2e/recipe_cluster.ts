/**
 * One cluster for the recipes of docs/recipes: hosts with network namespaces of their own, a REST API for
 * clients with a certificate only, and beside it whatever of Debian's programs is installed, with the files
 * of docs/recipes.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { type Acknowledged, lostIds } from "../../src/demo/outage.ts";
import { freePorts } from "../../src/demo/ports.ts";
import type { JsonObject } from "../../src/model/json.ts";
import type { RunResult } from "../../src/demo/run.ts";
import { applyPatch } from "../../src/model/merge.ts";
import { findPrograms } from "../../src/postgres/programs.ts";
import { Certificates } from "./certificates.ts";
import { startHealthy } from "./harness.ts";
import { NetworkFixture } from "./network_cluster.ts";
import { programOf, recipe, Service } from "./recipes.ts";
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
} from "./ways.ts";

const IDS_PER_WAY = 1e9;
const certificates = new Certificates();
export const haproxy = programOf("haproxy");

interface Reader {
  readonly name: string;
  readonly ask: Ask;
}

export class RecipeFixture extends NetworkFixture {
  /** Closed to nobody: programs of other users read in it. */
  #files = "";
  #services: Service[] = [];
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

  /** One statement by the service for writers; more settings go over those of the service. */
  psql(sql: string, more = ""): Promise<RunResult> {
    return runPsql(this.#library, "app", sql, more);
  }

  way(name: string): Way {
    const found = this.ways.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no way is called ${name}`);
    return found;
  }

  async #begin(cluster: Cluster): Promise<void> {
    this.#files = mkdtempSync(join(tmpdir(), "agent-recipes-"));
    await startHealthy(cluster);
    const primary = await cluster.waitForPrimary();
    for (const sql of PREPARATION) await cluster.query(primary, sql);
    const client = await cluster.connect(primary, APP);
    await client.query(TABLE).finally(() => client.end());
    this.#addLibrary(cluster);
    if (haproxy !== null) await this.#addHaproxy(cluster, haproxy);
    for (const service of this.#services) service.ensure();
    for (const way of this.ways) way.start();
  }

  /** Writes a file of docs/recipes, filled in, where any user may read it. */
  #write(file: string, values: { readonly [example: string]: string | number }): string {
    const path = join(this.#files, file);
    writeFileSync(path, recipe(file, values));
    return path;
  }

  #addWay(name: string, ask: Ask): void {
    this.ways.push(new Way(name, ask, this.ways.length * IDS_PER_WAY));
  }

  #addLibrary(cluster: Cluster): void {
    const file = this.#write("pg_service.conf", addressesOf(cluster, { postgres: true }));
    const { directory } = findPrograms({ binDir: null, binName: {}, dataDir: "/nonexistent" });
    this.#library = { psql: join(directory, "psql"), file };
    this.#addWay("libpq", byLibrary(this.#library, "app"));
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
    this.#services.push(new Service("haproxy", [program, "-db", "-f", file], this.#files));
    this.#addWay("HAProxy", byAddress("127.0.0.1", writers));
    this.readers.push({ name: "HAProxy", ask: byAddress("127.0.0.1", readers) });
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

/** In the place of 10.0.0.11 and so on, and of the ports that a file has. */
function addressesOf(
  cluster: Cluster,
  ports: { readonly postgres?: boolean; readonly rest?: boolean },
): { [example: string]: string | number } {
  const { postgresPort, restPort } = cluster.hosts[0]!.addresses;
  return {
    ...Object.fromEntries(cluster.hosts.map(({ addresses }, i) => [`10.0.0.1${i + 1}`, addresses.address])),
    ...(ports.postgres ? { 5432: postgresPort } : {}),
    ...(ports.rest ? { 8008: restPort } : {}),
  };
}
