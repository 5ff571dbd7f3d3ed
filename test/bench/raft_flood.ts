/** How the process that floods raft ports is started. */
import { join } from "node:path";
import type { TlsFiles } from "../../raft/mod.ts";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import type { RaftFloodSettings } from "./raft_flood_process.ts";
import { reignOf } from "./reign.ts";

/** The program. */
export const RAFT_FLOODS = join(import.meta.dir, "raft_flood_process.ts");

export interface RaftFlood {
  readonly primary: Host;
  /**
   * It is switched off, and the mad member takes its place and floods all others; null: strangers flood the
   * primary.
   */
  readonly off: Host | null;
  readonly kind: string;
  readonly seconds: number;
  /** What the mad member shows of itself; null: plain TCP. */
  readonly tlsOf: ((host: Host) => TlsFiles) | null;
}

/** Arguments for the runtime. */
export async function raftFloodCommand(
  cluster: Cluster,
  { primary, off, kind, seconds, tlsOf }: RaftFlood,
): Promise<string[]> {
  const addrOf = ({ addresses: { address, raftPort } }: Host) => `${address}:${raftPort}`;
  const mad = off ?? cluster.others(primary)[0]!;
  const settings: RaftFloodSettings = {
    founders: cluster.hosts.map(addrOf),
    targets: off === null ? [addrOf(primary)] : cluster.others(off).map(addrOf),
    mad: addrOf(mad),
    scope: cluster.scope,
    password: cluster.secrets.raft,
    tls: tlsOf?.(mad) ?? null,
    holder: primary.name,
    epoch: (await reignOf(primary)).epoch,
  };
  return [RAFT_FLOODS, JSON.stringify(settings), kind, String(seconds)];
}
