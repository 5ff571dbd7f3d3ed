/** A copy that is under way: its source, bytes, rate and time left, wherever they are shown. */
import { expect, test } from "bun:test";
import { beginCopy, type CopyStatus } from "../model/copy_status.ts";
import { CLUSTER, parseAnswer } from "./answers.ts";
import { createApp } from "./app.ts";
import type { ClusterJson, CopyJson } from "./shapes.ts";
import { StubPort } from "./testing.ts";

const COPY: CopyStatus = {
  from: "node2",
  fromStandby: true,
  doneBytes: 3_000_000,
  totalBytes: 10_000_000,
  bytesPerSecond: 1_000_000.4,
};
const SHOWN: CopyJson = {
  from: "node2",
  done_bytes: 3_000_000,
  total_bytes: 10_000_000,
  bytes_per_second: 1_000_000,
  seconds_left: 7,
};

function copying(copy: CopyStatus): StubPort {
  const port = new StubPort();
  port.becomeStandby();
  port.changePostgres({ state: "creating replica", action: { kind: "clone", sinceMs: 0, detail: "", copy } });
  port.changeStatus({
    state: "creating replica",
    running: false,
    lookAgeMs: null,
    replicationState: null,
    copy,
  });
  return port;
}

async function get(port: StubPort, path: string): Promise<string> {
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  return await (await app.request(path)).text();
}

const metricsOf = (text: string) => text.split("\n").filter((line) => line.startsWith("agent_copy_"));

async function ofCluster(port: StubPort): Promise<ClusterJson["members"][number] | undefined> {
  const answer = parseAnswer(await get(port, "/cluster"), CLUSTER);
  return answer.ok ? answer.value.members.find(({ name }) => name === "node1") : undefined;
}

test("a copy under way is shown by the member itself and by the cluster, with Patroni's state", async () => {
  const port = copying(COPY);
  expect(JSON.parse(await get(port, "/patroni"))).toMatchObject({
    state: "creating replica",
    agent: { copy: SHOWN },
  });
  expect(await ofCluster(port)).toMatchObject({ state: "creating replica", agent: { copy: SHOWN } });
  const labels = '{scope="demo",name="node1",from="node2"}';
  expect(metricsOf(await get(port, "/metrics"))).toEqual([
    `agent_copy_done_bytes${labels} 3000000`,
    `agent_copy_total_bytes${labels} 10000000`,
    `agent_copy_bytes_per_second${labels} 1000000.4`,
    `agent_copy_left_seconds${labels} ${7_000_000 / 1_000_000.4}`,
  ]);
});

test("what is not known of a copy yet is null, and no metric", async () => {
  const port = copying(beginCopy("node2", true));
  expect((await ofCluster(port))?.agent?.copy).toEqual({
    from: "node2",
    done_bytes: 0,
    total_bytes: null,
    bytes_per_second: null,
    seconds_left: null,
  });
  expect(metricsOf(await get(port, "/metrics"))).toEqual([
    'agent_copy_done_bytes{scope="demo",name="node1",from="node2"} 0',
  ]);
});

test("nothing is said of a copy that is over, or of one whose member has fallen silent", async () => {
  const port = copying(COPY);
  port.changeMember("node1", {}, 4000);
  expect((await ofCluster(port))?.agent).toEqual({ last_state: "creating replica", last_state_s: 4 });
  port.changePostgres({ action: null });
  port.changeStatus({ copy: undefined });
  expect((await ofCluster(port))?.agent).toBeUndefined();
  expect(JSON.parse(await get(port, "/patroni")).agent.copy).toBeUndefined();
  expect(metricsOf(await get(port, "/metrics"))).toEqual([]);
});
