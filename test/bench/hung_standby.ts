/** A synchronous standby whose WAL receiver hangs: its connection stays, and it acknowledges nothing. */
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { signal } from "../../src/demo/processes.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { eachAtMost } from "./measurement.ts";
import type { OutageScenario } from "./outages.ts";

export const HUNG_STANDBY_DCS = { ttl: 5, synchronous_mode: "on" };

const DEADLINE_MS = 30_000;

const stopped: number[] = [];

export const HUNG_STANDBY: OutageScenario = {
  name: "synchronous standby hangs, on",
  goal: eachAtMost(3, "s"),
  watchMs: 6000,
  prepare: (cluster, primary) => {
    return synchronousOne(cluster, primary).then(() => () => {
      for (const pid of stopped.splice(0)) signal(pid, "SIGCONT");
      return Promise.resolve();
    });
  },
  harm: async (cluster, primary) => {
    const standby = await synchronousOne(cluster, primary);
    const query = "SELECT pid FROM pg_stat_get_wal_receiver()";
    const [receiver] = await cluster.query<{ pid: number }>(standby, query);
    stopped.push(receiver!.pid);
    signal(receiver!.pid, "SIGSTOP");
    return "same";
  },
};

/** The only one that commits wait for, once the other one streams, too. */
async function synchronousOne(cluster: Cluster, primary: Host): Promise<Host> {
  const query = "SELECT application_name AS name, sync_state AS state FROM pg_stat_replication " +
    "WHERE state = 'streaming'";
  return await waitFor("a synchronous standby and another one", DEADLINE_MS, async () => {
    const rows = await cluster.query<{ name: string; state: string }>(primary, query);
    const names = rows.filter(({ state }) => state === "sync").map(({ name }) => name);
    const members = rows.filter(({ name }) => cluster.hosts.some((host) => host.name === name));
    return names.length === 1 && members.length === 2 ? cluster.host(names[0]!) : null;
  });
}
