/**
 * Floods of the REST port of the primary, with and without a password, of its raft port by strangers, and by
 * a member that has gone mad: none may cost a renewal its time, a client its primary, or the host its memory
 * and disk. A second client, from another address, asks for the primary's health meanwhile. With certificates
 * the same ports are flooded over TLS, by the worst kinds.
 */
import { readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import type { TlsFiles } from "../../raft/mod.ts";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { run } from "../../src/demo/run.ts";
import { sleep } from "../../src/demo/wait_for.ts";
import { eachAtMost, type Measurement, measurement, NO_GOAL } from "./measurement.ts";
import { RAFT_FLOODS, raftFloodCommand } from "./raft_flood.ts";
import { describeChange, freezesIn, reignOf } from "./reign.ts";
import { only, scrape, type Series } from "./scrape.ts";

const MIB = 1024 * 1024;
const CHECK_MS = 250;
const CHECK_TIMEOUT_MS = 2000;
const LOOP = "agent_event_loop_late_seconds";
const PROGRAM = join(import.meta.dir, "flood_process.ts");
/** The largest bound of the histograms below 100 ms: what is beyond it is looked at more closely. */
const BOUND_S = "0.064";

interface Result {
  readonly kind: string;
  readonly renewalMs: number;
  readonly loopMs: number;
  /** The same of the members that are not flooded: what the machine does to all of them. */
  readonly elsewhereMs: number;
  readonly checkMs: number;
  readonly grownMib: number;
  readonly logBytesPerMinute: number;
  readonly failures: readonly string[];
}

interface Flood {
  readonly kind: string;
  /** Arguments of the process that floods `primary`; none: nothing is flooded. */
  readonly command: (primary: Host) => Promise<string[]>;
}

/** Which floods there are. */
export interface FloodOptions {
  /** Each of them. */
  readonly seconds: number;
  /** Those whose name has this in it. */
  readonly wanted: string;
  /** Also those of the mad member. */
  readonly mad: boolean;
  /** What the mad member shows of itself; null: neither the raft ports nor REST speak TLS. */
  readonly tlsOf: ((host: Host) => TlsFiles) | null;
}

/**
 * Every flood, one after another; before those of the mad member a standby is switched off, whose place it
 * takes.
 */
export async function measureFloods(
  cluster: Cluster,
  { seconds, wanted, mad: withMad, tlsOf }: FloodOptions,
  say: (text: string) => void,
): Promise<Measurement[]> {
  const scheme = tlsOf === null ? "http" : "https";
  const rest = JSON.parse((await run(process.execPath, [PROGRAM, scheme, "--list"], "/")).output) as string[];
  const raft = JSON.parse((await run(process.execPath, [RAFT_FLOODS, "{}", "--list", "0"], "/")).output) as {
    readonly strangers: readonly string[];
    readonly mad: readonly string[];
  };
  const name = (kind: string) => tlsOf === null ? kind : `${kind} (TLS)`;
  const fits = (kind: string) => name(kind).includes(wanted);
  let off: Host | null = null;
  const restFloods = ["nothing", ...rest].filter(fits).map((kind): Flood => ({
    kind,
    command: ({ addresses: { address, restPort } }) =>
      Promise.resolve(
        kind === "nothing" ? [] : [
          PROGRAM,
          scheme,
          address,
          String(restPort),
          kind,
          String(seconds),
          "127.0.1.1",
          `agent:${cluster.secrets.restapi}`,
        ],
      ),
  }));
  const raftFlood = (kind: string): Flood => ({
    kind,
    command: (primary) => raftFloodCommand(cluster, { primary, off, kind, seconds, tlsOf }),
  });
  const results: Result[] = [];
  const measure = async (one: Flood) => {
    const hosts = cluster.hosts.filter((host) => host !== off);
    const result = { ...await flood(cluster, hosts, one, seconds), kind: name(one.kind) };
    results.push(result);
    say(
      `${result.kind}: renewals <= ${result.renewalMs.toFixed(0)} ms, loop <= ${
        result.loopMs.toFixed(0)
      } ms (elsewhere ${result.elsewhereMs.toFixed(0)}), health check <= ` +
        `${result.checkMs.toFixed(0)} ms, memory + ${result.grownMib.toFixed(1)} MiB, log ` +
        `${(result.logBytesPerMinute / 1000).toFixed(1)} kB/min${
          result.failures.map((one) => `; FAILED: ${one}`).join("")
        }`,
    );
  };
  for (const one of restFloods) await measure(one);
  for (const kind of raft.strangers.filter(fits)) await measure(raftFlood(kind));
  const mad = withMad ? raft.mad.filter(fits) : [];
  if (mad.length > 0) {
    off = cluster.others(await cluster.waitHealthy())[0]!;
    await off.powerOff();
    for (const kind of mad) await measure(raftFlood(kind));
  }
  if (results.length === 0) return [];
  const note = results.map(({ kind }) => kind).join(", ");
  const of = (part: (result: Result) => number) => results.map(part);
  const failures = results.flatMap(({ kind, failures }) => failures.map((one) => `${kind}: ${one}`));
  return [
    measurement(
      "floods: latest renewal",
      "ms",
      eachAtMost(100, "ms"),
      of(({ renewalMs }) => renewalMs),
      failures,
      note,
    ),
    measurement("floods: latest look of the loop", "ms", eachAtMost(100, "ms"), of(({ loopMs }) => loopMs)),
    measurement("floods: the same, of members not flooded", "ms", NO_GOAL, of((one) => one.elsewhereMs)),
    measurement("floods: slowest health check", "ms", NO_GOAL, of(({ checkMs }) => checkMs)),
    measurement(
      "floods: memory of the agent grows",
      "MiB",
      eachAtMost(64, "MiB"),
      of(({ grownMib }) => grownMib),
    ),
    measurement(
      "floods: log",
      "kB/min",
      eachAtMost(1000, "kB/min"),
      of((one) => one.logBytesPerMinute / 1000),
    ),
  ];
}

async function flood(
  cluster: Cluster,
  hosts: readonly Host[],
  { kind, command }: Flood,
  seconds: number,
): Promise<Result> {
  const failures: string[] = [];
  const host = await cluster.waitHealthy(60_000, hosts);
  const reign = await reignOf(host);
  const pid = host.agentPid()!;
  const others = hosts.filter((one) => one !== host);
  const before = await scrape(host);
  const beforeElsewhere = await Promise.all(others.map(scrape));
  const frozen = freezesIn(host.log()).frozeMs.length;
  const logBytes = statSync(host.logFile).size;
  const rss = rssBytes(pid);
  const args = await command(host);
  const beginMs = nowMs();
  let mostBytes = rss;
  let checkMs = 0;
  let flooding = true;
  const watch = (async () => {
    while (flooding) {
      mostBytes = Math.max(mostBytes, rssBytes(pid));
      const { status, ms } = await check(host);
      checkMs = Math.max(checkMs, ms);
      if (status !== "200") failures.push(`a health check: ${status} after ${ms.toFixed(0)} ms`);
      await sleep(CHECK_MS);
    }
  })();
  if (args.length === 0) await sleep(seconds * 1000);
  else {
    const done = await run(process.execPath, args, "/");
    // What came of it: a flood that did not get in would be a figure about nothing.
    if (kind.startsWith("mad member") && !/"connected":[1-9]/.test(done.output)) {
      failures.push(`the mad member was not let in: ${done.output.slice(0, 200)}`);
    }
    if (done.code !== 0) failures.push(`the flood itself: ${done.output.slice(0, 200)}`);
  }
  flooding = false;
  await watch;
  const after = await scrape(host);
  const afterElsewhere = await Promise.all(others.map(scrape));
  const change = describeChange(reign, await reignOf(host).catch(() => ({ ...reign, epoch: -1 })));
  if (change !== null) failures.push(change);
  if (freezesIn(host.log()).frozeMs.length > frozen) failures.push("PostgreSQL was frozen");
  return {
    kind,
    renewalMs: latestMs(before, after, "agent_renewal_seconds", "renewal"),
    loopMs: latestMs(before, after, LOOP, "event_loop"),
    elsewhereMs: Math.max(
      ...afterElsewhere.map((one, i) => latestMs(beforeElsewhere[i]!, one, LOOP, "event_loop")),
    ),
    checkMs,
    grownMib: (mostBytes - rss) / MIB,
    logBytesPerMinute: (statSync(host.logFile).size - logBytes) * 60_000 / (nowMs() - beginMs),
    failures: failures.length > 5 ? [...failures.slice(0, 5), `and ${failures.length - 5} more`] : failures,
  };
}

/**
 * Latency of what came between two looks: the bound that all kept, or the maximum of the last minutes when
 * one did not.
 */
function latestMs(
  before: readonly Series[],
  after: readonly Series[],
  histogram: string,
  what: string,
): number {
  const beyond = (series: readonly Series[]) => {
    const bucket = series.find(({ name, labels }) => name === `${histogram}_bucket` && labels.le === BOUND_S);
    if (bucket === undefined) throw new Error(`${histogram} has no bucket of ${BOUND_S} s`);
    return only(series, `${histogram}_count`) - bucket.value;
  };
  if (beyond(after) === beyond(before)) return Number(BOUND_S) * 1000;
  const most = after.find(({ name, labels }) =>
    name === "agent_late_seconds" && labels.what === what && labels.q === "1"
  );
  return (most?.value ?? NaN) * 1000;
}

/** Status, and how long it took to come; from another address than the flood's. */
function check(host: Host): Promise<{ status: string; ms: number }> {
  return new Promise((resolve) => {
    const beginMs = performance.now();
    let received = "";
    const { address, restPort } = host.addresses;
    const to = { host: address, port: restPort, localAddress: "127.0.2.1" };
    const ask = () => void socket.write("OPTIONS /primary HTTP/1.0\r\n\r\n");
    const socket = host.settings.clientCertificate === undefined
      ? connect(to, ask)
      : connectTls({ ...to, rejectUnauthorized: false }, ask);
    const finish = (status: string) => {
      socket.destroy();
      resolve({ status, ms: performance.now() - beginMs });
    };
    socket.setTimeout(CHECK_TIMEOUT_MS, () => finish("no answer"));
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      const status = /^HTTP\/1\.\d (\d+)/.exec(received);
      if (status !== null) finish(status[1]!);
    });
    socket.on("error", (error) => finish(error.message));
    socket.on("close", () => finish("closed"));
  });
}

/** Memory of a process. */
export function rssBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) * 1024;
}
