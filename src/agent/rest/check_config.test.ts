import { afterEach, beforeEach, expect, test } from "bun:test";
import { type ApiServer, startApiServer } from "../../api/server.ts";
import { stubLocalConfig, StubPort } from "../../api/testing.ts";
import { type ConfigCheck, NOTHING_FOUND } from "../../model/config_check.ts";
import type { JsonObject } from "../../model/json.ts";
import { checkEverywhere } from "./check_config.ts";

const VALUE = { postgresql: { parameters: { work_mem: "1kB" } } };
let stub: StubPort;
let server: ApiServer;

beforeEach(() => {
  stub = new StubPort();
  server = startApiServer(stub, stubLocalConfig(), { onError: (error) => expect.unreachable(String(error)) });
});
afterEach(() => server.stop());

function check(
  value: JsonObject = VALUE,
  present: JsonObject | null = null,
  { own = NOTHING_FOUND, more = [] as { name: string; apiUrl: null }[] } = {},
): Promise<ConfigCheck> {
  const apiUrl = `http://127.0.0.1:${server.port}/patroni`;
  return checkEverywhere(
    {
      config: stubLocalConfig,
      others: () => [{ name: "node2", apiUrl }, { name: "node3", apiUrl }, ...more],
      own: () => Promise.resolve(own),
    },
    value,
    present,
  );
}

test("what several members say alike is said once, and each refusal with its member", async () => {
  const own = { refusals: [], warnings: ["clamped"] };
  stub.configCheck = { refusals: ["no library"], warnings: ["clamped", "unknown"] };
  expect(await check(VALUE, { ttl: 5 }, { own })).toEqual({
    refusals: ["node2: no library", "node3: no library"],
    warnings: ["node1, node2, node3: clamped", "node2, node3: unknown"],
  });
  expect(stub.calls).toEqual([
    `checkConfig ${JSON.stringify(VALUE)}`,
    `checkConfig ${JSON.stringify(VALUE)}`,
  ]);
});

test("members are asked about a server that is to be followed", async () => {
  stub.configCheck = { refusals: ["another system"], warnings: [] };
  const found = await check({ ...VALUE, standby_cluster: { host: "a" } }, VALUE);
  expect(found.refusals).toEqual(["node2: another system", "node3: another system"]);
});

test("nobody is asked where nothing of PostgreSQL changes", async () => {
  stub.configCheck = { refusals: ["x"], warnings: [] };
  expect(await check({ ...VALUE, pause: true }, VALUE)).toEqual(NOTHING_FOUND);
  expect(stub.calls).toEqual([]);
});

test("a member that does not answer is named, and keeps no change from being made", async () => {
  await server.stop();
  const found = await check();
  expect(found.refusals).toEqual([]);
  expect(found.warnings).toHaveLength(1);
  expect(found.warnings[0]).toStartWith("node2, node3: ");
});

test("a member that is not heard is named beside those that judge it", async () => {
  stub.configCheck = { refusals: [], warnings: ["clamped"] };
  const { refusals, warnings } = await check(VALUE, null, { more: [{ name: "node4", apiUrl: null }] });
  expect(refusals).toEqual([]);
  expect(warnings).toEqual(["node2, node3: clamped", "node4: did not judge it (it is not heard)"]);
});
