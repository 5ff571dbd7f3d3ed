/** What `agent ctl events` and `agent ctl why` tell of a cluster, for the stories that make it happen. */
import { expect } from "bun:test";
import type { EventJson, WhyJson } from "../../src/api/client.ts";
import { START_MS } from "./harness.ts";
import { waitFor } from "../../src/demo/wait_for.ts";

interface Asked {
  ctl(...words: string[]): Promise<string>;
}

/** The chain of `agent ctl why` is this one, first cause first: "lock-expired node1", ... */
export async function expectChain(cluster: Asked, expected: readonly string[]): Promise<void> {
  // The first write is told right after it was made.
  await waitFor("the chain of events", START_MS, async () => {
    const why = JSON.parse(await cluster.ctl("why", "-f", "json")) as WhyJson;
    expect(why.chain.map(({ kind, member }) => `${kind} ${member}`)).toEqual([...expected]);
    return true;
  });
  const events = JSON.parse(await cluster.ctl("events", "-n", "1000", "-f", "json")) as EventJson[];
  const ids = events.map(({ id }) => id);
  expect(ids).toEqual([...ids].sort((a, b) => a - b));
  const stray = events.flatMap(({ because }) => because).filter((id) => !ids.includes(id));
  expect(stray).toEqual([]);
}
