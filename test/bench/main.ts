/** The benchmark: real clusters of the compiled program on this machine, a client in a process of its own. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Cluster } from "../../src/demo/cluster.ts";
import { nowMs } from "../../src/demo/now.ts";
import type { JsonObject } from "../../src/model/json.ts";
import type { Host } from "../../src/demo/host.ts";
import { RaftCertificates } from "./raft_certificates.ts";
import { binary, user } from "../e2e/environment.ts";
import { hasNamespaces, Network } from "../e2e/network.ts";
import { BUSY_DCS, measureBusySwitchover } from "./busy_switchover.ts";
import { FIRST_COMMITS_DCS, measureFirstCommits } from "./first_commits.ts";
import { measureFencing, TTL_MS } from "./fencing.ts";
import { measureFloods } from "./flood.ts";
import { FREEZE_DCS, measureFreezes } from "./freeze.ts";
import { HUNG_STANDBY, HUNG_STANDBY_DCS } from "./hung_standby.ts";
import { GROWTH_DCS, measureGrowth } from "./growth.ts";
import { measureIdentity } from "./identity.ts";
import { measureIdle } from "./idle.ts";
import { measureLoad } from "./load.ts";
import { atMost, type Measurement, measurement, table } from "./measurement.ts";
import { measureOutage, type OutageScenario } from "./outages.ts";
import { measureSubscriber, SUBSCRIBER_DCS } from "./logical_subscriber.ts";
import { measurePeer } from "./peer.ts";
import { measureReinit, REINIT_OVERRIDE } from "./reinit_progress.ts";
import { measureList, measureRest } from "./rest.ts";
import { measureStops } from "./stop.ts";
import { measureScrapes } from "./scrape.ts";
import { STOP_DCS } from "./stop_hang.ts";
import { measureSyncCommits, measureSyncFailovers, SYNC_COST_DCS } from "./sync_cost.ts";
import { countingWakes } from "./wakes.ts";
import { say, withCluster, withNetwork } from "./with_cluster.ts";

const GROUPS = [
  "bootstrap",
  "host-death",
  "host-death-ttl2",
  "postgres-killed",
  "agent-restart",
  "switchover",
  "reinit",
  "idle",
  "scrape",
  "rest",
  "list",
  "rest-tls",
];

/** Only when they are asked for: they take minutes and more. */
const LONG_GROUPS = [
  "fencing",
  "identity",
  "freeze",
  "load",
  "flood",
  "stop",
  "logical-subscriber",
  "busy-switchover",
  "first-commits",
  "hung-standby",
  "sync-cost",
  "growth",
  "peer",
];

const USAGE = `usage: npm run bench [-- --only NAME[,NAME] --reps N --json FILE]
  ${GROUPS.join(", ")}: all of them unless some are asked for by name

  --dcs JSON                    with this in the dynamic configuration: '{"synchronous_mode": "quorum"}'

  --only idle --profile         what wakes the agents, how often, and what it costs
      --idle-seconds 30

  --only fencing --reps 100     two primaries, over many faults (ttl 2)
      --fault TEXT              only faults with this in their names
  --only identity --reps 100    two primaries, by machines of one name and by silent guards; as root, with iproute2
      --ttl 2,5,30              one cluster for each of them, side by side
      --clusters N              N clusters for each of them
      --certificates            raft.tls, and a REST API with verify_client: required
      --fault TEXT              only ways with this in their names
      --journal FILE            appends a line of JSON for each try
  --only freeze --reps 500      freezes and thaws under pgbench
  --only load                   CPU, disk and memory of this machine at their limits
      --minutes 20 --ttl 5
      --loss 0.05               so many of the packets between two nodes are lost; as root, with iproute2
  --only growth                 what a node costs at rest in clusters of several sizes; as root, with iproute2
      --nodes 3,5,9,15 --idle-seconds 30
  --only peer --ttl 5           at rest beside three Patronis with three etcds (where Debian's packages are there)
      --idle-seconds 60         and beside what the runtime takes for as many wake-ups; from nothing, list, host death
  --only stop                   stops of the primary while a helper of PostgreSQL hangs
      --fault WAY/HELPER
  --only busy-switchover --reps 3
                                switchover with 20 writing and 100 idle clients and 1 GB of buffers dirty
  --only logical-subscriber --reps 100
                                rows at a logical subscriber over failovers
  --only first-commits --reps 20
                                the first commits of new primaries, in synchronous mode
  --only hung-standby --reps 10 writes while the synchronous standby streams and flushes nothing
  --only sync-cost --reps 5     failovers and commits in synchronous modes beside those in none
  --only flood                  what strangers can do to the REST and raft ports, and a mad member
      --seconds 10 --fault TEXT`;

/** By then the members have measured their host (src/agent/health/start_check.ts). */
const SETTLE_MS = 35_000;
/** Fifteen nodes that start at once on two cores take minutes. */
const GROWTH_HEALTHY_MS = 300_000;

function hostDeath(ttlS: number, goalS: number): OutageScenario {
  return {
    name: `host death, ttl ${ttlS}`,
    goal: atMost(goalS, "s"),
    watchMs: 0,
    harm: async (_, primary) => {
      await primary.powerOff();
      return "other";
    },
  };
}

const POSTGRES_KILLED: OutageScenario = {
  name: "all of PostgreSQL killed, primary_start_timeout 0",
  goal: atMost(1.5, "s"),
  watchMs: 0,
  harm: async (_, primary) => {
    await primary.killPostgres();
    return "any";
  },
};

const AGENT_RESTART: OutageScenario = {
  name: "agent killed and started again",
  goal: atMost(0.3, "s"),
  // The lease of the killed agent must be over, and nothing have happened.
  watchMs: 8000,
  harm: async (_, primary) => {
    await primary.killAgent();
    primary.start();
    return "same";
  },
};

const SWITCHOVER: OutageScenario = {
  name: "switchover",
  goal: atMost(0.3, "s"),
  watchMs: 0,
  harm: async (cluster, primary) => {
    await cluster.ctl("switchover", "--leader", primary.name, "--force");
    return "other";
  },
};

/** REST and `ctl list` where every client must show a certificate. */
async function measureOverTls(given: JsonObject, reps: number): Promise<Measurement[]> {
  const certificates = new RaftCertificates();
  const client = certificates.client();
  const ctl = certificates.clientSection();
  try {
    const found: Measurement[] = [];
    await withCluster({ ...given, ttl: 5 }, async (cluster) => {
      found.push(...await measureRest(cluster, Math.min(reps, 3), client));
      found.push(await measureList(cluster, 2 * reps, ", TLS with client certificates"));
    }, {
      override: (name) => ({
        restapi: { ...certificates.section(name), verify_client: "required" },
        ctl,
      }),
      clientCertificate: client,
    });
    return found;
  } finally {
    certificates.remove();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean", default: false },
      only: { type: "string" },
      reps: { type: "string", default: "5" },
      fault: { type: "string", default: "" },
      json: { type: "string" },
      dcs: { type: "string", default: "{}" },
      minutes: { type: "string", default: "20" },
      ttl: { type: "string" },
      loss: { type: "string", default: "0" },
      nodes: { type: "string", default: "3,5,9,15" },
      clusters: { type: "string", default: "1" },
      certificates: { type: "boolean", default: false },
      journal: { type: "string" },
      seconds: { type: "string", default: "10" },
      "idle-seconds": { type: "string", default: "30" },
      profile: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const only = values.only?.split(",") ?? GROUPS;
  const unknown = only.filter((name) => ![...GROUPS, ...LONG_GROUPS].includes(name));
  if (unknown.length > 0) {
    throw new Error(`unknown: ${unknown.join(", ")}; there are ${[...GROUPS, ...LONG_GROUPS].join(", ")}`);
  }
  const reps = Number(values.reps);
  const given = JSON.parse(values.dcs) as JsonObject;
  const idleMs = Number(values["idle-seconds"]) * 1000;
  const loadBefore = loadavg();
  const found: Measurement[] = [];
  const wanted = (...names: string[]) => names.some((name) => only.includes(name));

  if (wanted("bootstrap")) found.push(await measureBootstrap(reps));
  if (wanted("host-death", "agent-restart", "switchover", "idle", "scrape", "rest", "list")) {
    await withCluster({ ...given, ttl: 5 }, async (cluster) => {
      if (wanted("idle")) {
        found.push(...await measureIdle(cluster, SETTLE_MS, idleMs, values.profile ? say : null));
      }
      if (wanted("scrape")) found.push(await measureScrapes(cluster));
      if (wanted("rest")) found.push(...await measureRest(cluster, Math.min(reps, 3)));
      if (wanted("list")) found.push(await measureList(cluster, 2 * reps));
      if (!wanted("host-death", "agent-restart", "switchover")) return;
      const client = cluster.startClient();
      if (wanted("switchover")) found.push(await measureOutage(cluster, client, SWITCHOVER, reps, say));
      if (wanted("agent-restart")) found.push(await measureOutage(cluster, client, AGENT_RESTART, reps, say));
      if (wanted("host-death")) {
        found.push(await measureOutage(cluster, client, hostDeath(5, 5.5), reps, say));
      }
    }, values.profile ? { wrap: countingWakes } : {});
  }
  if (wanted("rest-tls")) found.push(...await measureOverTls(given, reps));
  if (wanted("postgres-killed")) {
    await withCluster({ ...given, ttl: 5, primary_start_timeout: 0 }, async (cluster) => {
      found.push(await measureOutage(cluster, cluster.startClient(), POSTGRES_KILLED, reps, say));
    });
  }
  if (wanted("host-death-ttl2")) {
    await withCluster({ ...given, ttl: 2 }, async (cluster) => {
      found.push(await measureOutage(cluster, cluster.startClient(), hostDeath(2, 2.7), reps, say));
    });
  }
  if (wanted("reinit")) {
    await withCluster({ ttl: 5 }, async (cluster) => {
      found.push(await measureReinit(cluster, reps, say));
    }, { override: () => REINIT_OVERRIDE });
  }
  if (wanted("fencing")) {
    const network = hasNamespaces() ? new Network(3) : null;
    try {
      const place = network === null ? {} : { place: (index: number) => network.place(index) };
      await withCluster({ ...given, ttl: TTL_MS / 1000 }, async (cluster) => {
        found.push(...await measureFencing(cluster, network, reps, values.fault, say));
      }, place);
    } finally {
      network?.close();
    }
  }
  if (wanted("identity")) {
    if (!hasNamespaces()) throw new Error("identity needs network namespaces: run it as root, with iproute2");
    found.push(
      ...await measureIdentity({
        ttls: (values.ttl ?? "2,5,30").split(",").map(Number),
        certificates: values.certificates,
        clusters: Number(values.clusters),
        reps,
        only: values.fault,
        journal: values.journal ?? null,
        say,
      }),
    );
  }
  if (wanted("freeze")) {
    await withCluster(FREEZE_DCS, async (cluster) => {
      found.push(...await measureFreezes(cluster, reps, say));
    });
  }
  if (wanted("flood")) {
    await withCluster({ ...given, ttl: 5 }, async (cluster) => {
      const options = { seconds: Number(values.seconds), wanted: values.fault, mad: true };
      found.push(...await measureFloods(cluster, { ...options, tlsOf: null }, say));
    });
    const certificates = new RaftCertificates();
    try {
      await withCluster({ ...given, ttl: 5 }, async (cluster) => {
        // The mad member is the same behind TLS.
        const options = { seconds: Number(values.seconds), wanted: values.fault, mad: values.fault !== "" };
        const tlsOf = ({ name }: Host) => certificates.files(name);
        found.push(...await measureFloods(cluster, { ...options, tlsOf }, say));
      }, {
        override: (name) => ({
          raft: { tls: certificates.section(name) },
          restapi: certificates.section(name),
        }),
        clientCertificate: certificates.client(),
      });
    } finally {
      certificates.remove();
    }
  }
  if (wanted("stop")) {
    await withCluster({ ...STOP_DCS, ...given }, async (cluster) => {
      found.push(...await measureStops(cluster, reps, values.fault, say));
    });
  }
  if (wanted("logical-subscriber")) {
    await withCluster({ ...SUBSCRIBER_DCS, ...given }, async (cluster) => {
      found.push(...await measureSubscriber(cluster, reps, say));
    });
  }
  if (wanted("busy-switchover")) {
    await withCluster({ ...BUSY_DCS, ...given }, async (cluster) => {
      found.push(await measureBusySwitchover(cluster, cluster.startClient(), reps, say));
    });
  }
  if (wanted("first-commits")) {
    await withCluster({ ...FIRST_COMMITS_DCS, ...given }, async (cluster) => {
      found.push(...await measureFirstCommits(cluster, reps, say));
    });
  }
  if (wanted("hung-standby")) {
    await withCluster({ ...HUNG_STANDBY_DCS, ...given }, async (cluster) => {
      found.push(await measureOutage(cluster, cluster.startClient(), HUNG_STANDBY, reps, say));
    });
  }
  if (wanted("sync-cost")) {
    await withCluster({ ...SYNC_COST_DCS, ...given }, async (cluster) => {
      found.push(...await measureSyncCommits(cluster, reps, say));
      found.push(...await measureSyncFailovers(cluster, cluster.startClient(), reps, say));
    });
  }
  if (wanted("load")) {
    const [ttl, lossPart] = [Number(values.ttl ?? "5"), Number(values.loss)];
    const title = `load, ttl ${ttl}${lossPart > 0 ? `, ${100 * lossPart} % of packets lost` : ""}`;
    const options = { title, minutes: Number(values.minutes), freezesAllowed: ttl < 5, say };
    const measure = async (cluster: Cluster, network: Network | null) => {
      found.push(...await measureLoad(cluster, { ...options, network, lossPart }));
    };
    if (lossPart > 0) await withNetwork("load with loss", 3, { ...given, ttl }, measure);
    else await withCluster({ ...given, ttl }, (cluster) => measure(cluster, null));
  }
  if (wanted("growth")) {
    for (const size of values.nodes.split(",").map(Number)) {
      await withNetwork("growth", size, { ...GROWTH_DCS, ...given }, async (cluster) => {
        found.push(...await measureGrowth(cluster, idleMs));
        say(table(found));
      }, GROWTH_HEALTHY_MS);
    }
  }
  if (wanted("peer")) {
    const options = { ttlS: Number(values.ttl ?? "5"), settleMs: SETTLE_MS, watchMs: idleMs, say };
    found.push(...await measurePeer(given, options));
  }

  process.stdout.write(`${table(found)}\n`);
  if (values.json !== undefined) {
    const result = {
      commit: commit(),
      date: new Date().toISOString(),
      cpus: cpus().length,
      loadAverage: { before: loadBefore, after: loadavg() },
      measurements: found,
    };
    writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  // A repetition that failed is a failure of the run; a goal that was missed is a result.
  process.exit(found.some((one) => one.failures.length > 0) ? 1 : 0);
}

async function measureBootstrap(reps: number): Promise<Measurement> {
  const samples: number[] = [];
  const failures: string[] = [];
  for (let rep = 1; rep <= reps; rep++) {
    const cluster = await Cluster.create({ binary, user, dcs: { ttl: 5 } });
    try {
      const begin = nowMs();
      cluster.start();
      // Healthy is streaming: how far they are is another question.
      await cluster.waitHealthy(60_000, cluster.hosts, Infinity);
      samples.push((nowMs() - begin) / 1000);
      say(`three healthy members, ${rep} of ${reps}: ${samples.at(-1)!.toFixed(2)} s`);
    } catch (error) {
      failures.push((error as Error).message);
      say(`three healthy members, ${rep} of ${reps}: FAILED, ${(error as Error).message}\n${cluster.logs()}`);
    } finally {
      await cluster.destroy();
    }
  }
  return measurement(
    "from empty directories to three healthy members",
    "s",
    atMost(6, "s"),
    samples,
    failures,
  );
}

function commit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync("git", ["-C", join(import.meta.dir, "../.."), ...args], { encoding: "utf8" }).trim();
    return git("rev-parse", "HEAD") + (git("status", "--porcelain") === "" ? "" : "+changes");
  } catch {
    return "unknown"; // not a checkout
  }
}

main().catch((error: unknown) => {
  say(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
