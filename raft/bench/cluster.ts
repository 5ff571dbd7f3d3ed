/** Three member processes on loopback, and the measurements on them. */
import * as fs from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { Child } from "./child.ts";
import type { Answer, MemberConfig, Request } from "./control.ts";
import { summarize, type Summary } from "./summary.ts";

const MEMBERS = 3;

type AnswerTo<K extends Answer["kind"]> = Extract<Answer, { readonly kind: K }>;

export class BenchCluster {
  readonly #base: string;
  readonly #addresses: readonly string[];
  /** Member processes; null: killed. */
  readonly #members: (Child | null)[];

  private constructor(base: string, addresses: readonly string[]) {
    this.#base = base;
    this.#addresses = addresses;
    this.#members = addresses.map((_, i) => this.#spawn(i));
  }

  static async start(base: string): Promise<BenchCluster> {
    const cluster = new BenchCluster(base, await freeAddresses(MEMBERS));
    await cluster.leader();
    return cluster;
  }

  /** Waits for a leader. */
  async leader(): Promise<number> {
    for (const deadline = performance.now() + 30_000; performance.now() < deadline; await Bun.sleep(10)) {
      for (const [i, member] of this.#members.entries()) {
        if (member && (await this.#ask(i, { kind: "status" }, "status")).leads) return i;
      }
    }
    throw new Error("no leader within 30 s");
  }

  async commit(count: number, inFlight: number): Promise<Summary> {
    const leader = await this.leader();
    return (await this.#ask(leader, { kind: "commit", count, inFlight }, "measured")).summary;
  }

  async read(count: number): Promise<Summary> {
    return (await this.#ask(await this.leader(), { kind: "read", count }, "measured")).summary;
  }

  /** Kills the leader `count` times, and measures until the next commit that any other member sees. */
  async elections(count: number): Promise<Summary> {
    const latencies: number[] = [];
    for (let i = 0; i < count; i++) {
      await this.#settle();
      const leader = await this.leader();
      // The pause makes the moment of the kill independent of heartbeats.
      await Bun.sleep(100 * Math.random());
      const since = performance.now();
      const killed = this.#kill(leader);
      const others = this.#members.flatMap((member, at) => member ? [at] : []);
      const proposals = others.map((at) => this.#ask(at, { kind: "propose" }, "done"));
      await Promise.any(proposals);
      latencies.push(performance.now() - since);
      await Promise.all([killed, ...proposals]);
      this.#members[leader] = this.#spawn(leader);
    }
    await this.#settle();
    return summarize(latencies);
  }

  /** Seconds from the start of a member until it has applied what it has missed. */
  async catchUp(commands: number): Promise<number> {
    const away = (await this.leader() + 1) % MEMBERS;
    await this.#kill(away);
    await this.commit(commands, 64);
    const { applied } = await this.#ask(await this.leader(), { kind: "status" }, "status");
    this.#members[away] = this.#spawn(away);
    return (await this.#ask(away, { kind: "applied", index: applied }, "applied")).afterMs / 1000;
  }

  /** Resident memory of the leader. */
  async rssBytes(): Promise<number> {
    return (await this.#ask(await this.leader(), { kind: "status" }, "status")).rssBytes;
  }

  /** Size of the largest directory. */
  directoryBytes(): number {
    return Math.max(...this.#addresses.map((_, i) => sizeOf(this.#directory(i))));
  }

  async end(): Promise<void> {
    await Promise.all(this.#members.map((_, i) => this.#kill(i)));
  }

  /** Waits until all members follow and have everything. */
  async #settle(): Promise<void> {
    const { applied } = await this.#ask(await this.leader(), { kind: "status" }, "status");
    await Promise.all(
      this.#members.map((_, i) => this.#ask(i, { kind: "applied", index: applied }, "applied")),
    );
  }

  async #ask<K extends Answer["kind"]>(i: number, request: Request, kind: K): Promise<AnswerTo<K>> {
    const member = this.#members[i];
    if (!member) throw new Error(`member ${i} does not run`);
    const answer = JSON.parse(await member.ask(JSON.stringify(request))) as Answer;
    if (answer.kind === "failed") throw new Error(`${request.kind}: ${answer.reason}`);
    if (answer.kind !== kind) throw new Error(`${request.kind} was answered by ${answer.kind}`);
    return answer as AnswerTo<K>;
  }

  #directory(i: number): string {
    return join(this.#base, `member${i}`);
  }

  #spawn(i: number): Child {
    const own = this.#addresses[i]!;
    const config: MemberConfig = { directory: this.#directory(i), own, addresses: this.#addresses };
    return new Child(process.execPath, [require.resolve("./member_process.ts"), JSON.stringify(config)]);
  }

  async #kill(i: number): Promise<void> {
    const member = this.#members[i];
    this.#members[i] = null;
    await member?.kill();
  }
}

function sizeOf(path: string): number {
  const stat = fs.statSync(path);
  if (!stat.isDirectory()) return stat.size;
  return fs.readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

/** Finds addresses whose ports nobody uses right now. */
export async function freeAddresses(count: number): Promise<string[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((one) => new Promise<void>((done) => one.listen(0, "127.0.0.1", done))));
  const addresses = servers.map((one) => `127.0.0.1:${(one.address() as AddressInfo).port}`);
  await Promise.all(servers.map((one) => new Promise((done) => one.close(done))));
  return addresses;
}
