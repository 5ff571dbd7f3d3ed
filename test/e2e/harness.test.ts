import { expect, test } from "bun:test";
import type { Cluster } from "../../src/demo/cluster.ts";
import { Fixture } from "./harness.ts";

test("what a failed story leaves behind is not the next one's: that has a cluster of its own", async () => {
  const done: string[] = [];
  let made = 0;
  const create = () => {
    const name = `cluster ${++made}`;
    return Promise.resolve(
      { logs: () => "", destroy: () => void done.push(`${name} destroyed`) } as unknown as Cluster,
    );
  };
  const fixture = new Fixture();
  await fixture.open({}, () => Promise.resolve(done.push(`cluster ${made} started`)), create);
  const first = fixture.cluster;
  await fixture.tell(() => expect(fixture.cluster).toBe(first));
  await fixture.tell(() => expect(fixture.cluster).toBe(first));
  const failing = fixture.tell(() => Promise.reject(new Error("this one fails")));
  await expect(failing).rejects.toThrow("this one fails");
  await fixture.tell(() => expect(fixture.cluster).not.toBe(first));
  await fixture.close();
  expect(done).toEqual([
    "cluster 1 started",
    "cluster 1 destroyed",
    "cluster 2 started",
    "cluster 2 destroyed",
  ]);
});
