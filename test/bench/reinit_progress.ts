/** How soon a reinit shows its progress: bytes, in the cluster as another member sees it. */
import type { Cluster } from "../../src/demo/cluster.ts";
import { nowMs } from "../../src/demo/now.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { eachAtMost, type Measurement, measurement } from "./measurement.ts";

const LIMIT_MS = 60_000;

/** So slow that a small database takes some seconds. */
export const REINIT_OVERRIDE = { postgresql: { basebackup: [{ "max-rate": "8M" }] } };

interface Progress {
  readonly members: readonly {
    readonly name: string;
    readonly agent?: { readonly copy?: { readonly done_bytes?: number } };
  }[];
}

export async function measureReinit(
  cluster: Cluster,
  reps: number,
  say: (text: string) => void,
): Promise<Measurement> {
  const samples: number[] = [];
  const failures: string[] = [];
  const name = "reinit, until its progress is shown";
  for (let rep = 1; rep <= reps; rep++) {
    try {
      const primary = await cluster.waitHealthy();
      const target = cluster.others(primary)[0]!;
      const beginMs = nowMs();
      const asked = cluster.ctl("reinit", cluster.scope, target.name, "--force");
      await waitFor("the progress of the copy", LIMIT_MS, async () => {
        const { members } = JSON.parse((await primary.rest("/cluster")).text) as Progress;
        return (members.find((member) => member.name === target.name)?.agent?.copy?.done_bytes ?? 0) > 0;
      });
      samples.push((nowMs() - beginMs) / 1000);
      await asked;
      say(`${name}, ${rep} of ${reps}: ${samples.at(-1)!.toFixed(2)} s`);
    } catch (error) {
      failures.push((error as Error).message);
      say(`${name}, ${rep} of ${reps}: FAILED, ${(error as Error).message}`);
    }
  }
  return measurement(
    name,
    "s",
    eachAtMost(2, "s"),
    samples,
    failures,
    "from the start of `agent ctl reinit`",
  );
}
