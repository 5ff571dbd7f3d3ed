/**
 * Floods of the REST port of the primary, by a stranger without a password: none may cost a renewal its time, a client its
 * primary, or the host its memory and disk. A second client, from another address, asks for the primary's health meanwhile.
 */
import { readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { run } from "../../src/demo/run.ts";
import { sleep } from "../../src/demo/wait_for.ts";
import { eachAtMost, type Measurement, measurement, NO_GOAL } from "./measurement.ts";
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

/** Each flood for `seconds`; `only`: those whose name has this in it. */
export async function measureFloods(
  cluster: Cluster,
  seconds: number,
  wanted: string,
  say: (text: string) => void,
): Promise<Measurement[]> {
  const list = await run(process.execPath, [PROGRAM, "", "0", "--list", "0"], "/");
  const kinds = ["nothing", ...JSON.parse(list.output) as string[]].filter((kind) => kind.includes(wanted));
  const results: Result[] = [];
  for (const kind of kinds) {
    const result = await flood(cluster, kind, seconds);
    results.push(result);
    say(
      `${kind}: renewals <= ${result.renewalMs.toFixed(0)} ms, loop <= ${
        result.loopMs.toFixed(0)
      } ms (elsewhere ${result.elsewhereMs.toFixed(0)}), health check <= ` +
        `${result.checkMs.toFixed(0)} ms, memory + ${result.grownMib.toFixed(1)} MiB, log ` +
        `${(result.logBytesPerMinute / 1000).toFixed(1)} kB/min${
          result.failures.map((one) => `; FAILED: ${one}`).join("")
        }`,
    );
  }
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

async function flood(cluster: Cluster, kind: string, seconds: number): Promise<Result> {
  const failures: string[] = [];
  const host = await cluster.waitHealthy();
  const reign = await reignOf(host);
  const pid = host.agentPid()!;
  const others = cluster.others(host);
  const before = await scrape(host);
  const beforeElsewhere = await Promise.all(others.map(scrape));
  const frozen = freezesIn(host.log()).frozeMs.length;
  const logBytes = statSync(host.logFile).size;
  const rss = rssBytes(pid);
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
  if (kind === "nothing") await sleep(seconds * 1000);
  else {
    const { address, restPort } = host.addresses;
    const done = await run(process.execPath, [
      PROGRAM,
      address,
      String(restPort),
      kind,
      String(seconds),
      "127.0.1.1",
    ], "/");
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

/** Of what came between two looks: the bound that all kept, or the maximum of the last minutes when one did not. */
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
    name === "agent_late_seconds" && labels.what === what && labels.quantile === "1"
  );
  return (most?.value ?? NaN) * 1000;
}

/** Status, and how long it took to come; from another address than the flood's. */
function check(host: Host): Promise<{ status: string; ms: number }> {
  return new Promise((resolve) => {
    const beginMs = performance.now();
    let received = "";
    const { address, restPort } = host.addresses;
    const socket = connect({ host: address, port: restPort, localAddress: "127.0.2.1" }, () => {
      socket.write("OPTIONS /primary HTTP/1.0\r\n\r\n");
    });
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

function rssBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) * 1024;
}
