/**
 * A member that has gone mad, and strangers at the raft ports, against the compiled program: nobody is
 * frozen, replaced or ended, and memory and logs are bounded. How late renewals are is measured by `npm run
 * bench -- --only flood`.
 */
import { expect } from "bun:test";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { run } from "../src/demo/run.ts";
import { rssBytes } from "./bench/flood.ts";
import { raftFloodCommand } from "./bench/raft_flood.ts";
import { describeChange, freezesIn, reignOf } from "./bench/reign.ts";
import { withCluster, WRITES_MS } from "./e2e/harness.ts";

/**
 * The lease outlasts what a loaded machine does to a process, and no flood of the kinds below that holds the
 * loop.
 */
const { story } = withCluster({ dcs: { ttl: 5 } });

const SECONDS = 1.5;
const MIB = 1024 * 1024;
/** As promised for any flood; a quiet machine shows a third of it. */
const MOST_GROWN_BYTES = 64 * MIB;
const MOST_LOGGED_BYTES = 256 * 1024;
/**
 * Limit for frames of no use: 4 MB a second from each of two members, and what their sockets and the mad
 * member's own buffers hold.
 */
const MOST_READ_BYTES = 80 * MIB;

const STRANGERS = ["raft port: connections that come and go", "raft port: hellos without the password"];
const MAD = ["appends", "acknowledgements", "reads", "proposals", "statuses", "whole snapshots"];
const OF_NO_USE: ReadonlySet<string> = new Set(["statuses", "whole snapshots"]);

story(
  "a mad member and strangers at the raft ports cost nobody the lease, an agent, memory or a log",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const off = cluster.others(primary)[0]!;
    await off.powerOff();
    const flooded = cluster.others(off);
    await fixture.client.waitForWrite(nowMs(), WRITES_MS, primary.name);
    const reign = await reignOf(primary);
    const look = (host: Host) => ({
      pid: host.agentPid(),
      froze: freezesIn(host.log()).frozeMs.length,
      logged: host.log().length,
      bytes: rssBytes(host.agentPid()!),
    });
    const before = flooded.map(look);
    const flood = async (kind: string, mad: boolean) => {
      const settings = { primary, off: mad ? off : null, kind, seconds: SECONDS, tlsOf: null };
      const { code, output } = await run(process.execPath, await raftFloodCommand(cluster, settings), "/");
      expect([kind, code, output]).toEqual([kind, 0, expect.stringContaining('"bytes":')]);
      return JSON.parse(output) as { readonly connected: number; readonly bytes: number };
    };
    // One mad member at a time, as there is one place; strangers beside it.
    const strangers = Promise.all(STRANGERS.map((kind) => flood(kind, false)));
    for (const kind of MAD) {
      const { connected, bytes } = await flood(`mad member: ${kind}`, true);
      expect([kind, connected > 0]).toEqual([kind, true]);
      if (OF_NO_USE.has(kind)) expect(bytes).toBeLessThan(MOST_READ_BYTES);
      for (const [i, host] of flooded.entries()) {
        const grown = look(host).bytes - before[i]!.bytes;
        expect([kind, host.name, grown < MOST_GROWN_BYTES ? "bounded" : grown]).toEqual([
          kind,
          host.name,
          "bounded",
        ]);
      }
    }
    await strangers;
    expect(describeChange(reign, await reignOf(primary))).toBeNull();
    for (const [i, host] of flooded.entries()) {
      const [was, is] = [before[i]!, look(host)];
      expect([host.name, is.pid, is.froze]).toEqual([host.name, was.pid, was.froze]);
      expect(is.logged - was.logged).toBeLessThan(MOST_LOGGED_BYTES);
    }
    // The real member stays off: the mad one has acknowledged in its name what is not in its log, and a member
    // that has lost what it acknowledged ends itself (raft/core/log.ts).
  },
);
