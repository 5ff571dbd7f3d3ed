/** What a member asks others over HTTP, of the REST API itself: password, answers, silence. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { ApiServer } from "../../api/server.ts";
import { startApiServer } from "../../api/server.ts";
import { StubPort } from "../../api/testing.ts";
import type { LocalConfig } from "../../model/config.ts";
import { askFailsafe, memberAnswers } from "./ask_member.ts";

const FACTS = {
  name: "node2",
  connUrl: "postgres://10.0.0.2:5432/postgres",
  apiUrl: "http://10.0.0.2:8008/patroni",
  proxyUrl: null,
  raftAddr: "10.0.0.2:7800",
  tags: {},
  version: "0",
};
const AUTHENTICATION = { username: "agent", password: "secret" };

let stub: StubPort;
let server: ApiServer;

beforeEach(() => {
  stub = new StubPort();
  stub.changeRestapi({ listen: { host: "127.0.0.1", port: 0 }, authentication: AUTHENTICATION });
  stub.changeDynamic({ failsafeMode: true });
  stub.becomeStandby();
  server = startApiServer(stub, stub.view().config, {
    onError: (error) => expect.unreachable(String(error)),
  });
});

afterEach(() => server.stop());

function ask(
  config: LocalConfig,
  apiUrl = `http://127.0.0.1:${server.port}/patroni`,
): Promise<string | null> {
  return new Promise((resolve) =>
    askFailsafe(() => config, () => FACTS)(
      apiUrl,
      { holder: "node2", epoch: 7, to: "node1", node: 1 },
      1000,
      resolve,
    )
  );
}

test("a member accepts, and is told whose lease of which epoch is meant, and whom", async () => {
  expect(await ask(stub.view().config)).toBe(null);
  expect(stub.failsafeRequests).toEqual([
    {
      name: "node2",
      connUrl: FACTS.connUrl,
      apiUrl: FACTS.apiUrl,
      slots: {},
      epoch: 7,
      to: "node1",
      node: 1,
    },
  ]);
});

test("everything but an acceptance is a refusal that says why", async () => {
  const { config } = stub.view();
  const wrong = { ...AUTHENTICATION, password: "old" };
  expect(await ask({ ...config, restapi: { ...config.restapi, authentication: wrong } })).toStartWith("401");
  expect(await ask({ ...config, ctl: { ...config.ctl, authentication: wrong } })).toStartWith("401");
  stub.failsafeOutcome = { kind: "refused", reason: "epoch 7 is over: 8 is known here" };
  expect(await ask(config)).toBe("500 epoch 7 is over: 8 is known here");
  stub.changeDynamic({ failsafeMode: false });
  expect(await ask(config)).toStartWith("502");
  expect(await ask(config, "http://127.0.0.1:1/patroni")).not.toBe(null);
  expect(await ask(config, "no address")).not.toBe(null);
});

test("a certificate that cannot be read is a refusal too", async () => {
  const { config } = stub.view();
  const restapi = { ...config.restapi, certfile: "/nowhere/cert.pem" };
  expect(await ask({ ...config, restapi })).toStartWith("certificates:");
});

test("a member that takes too long has not accepted", async () => {
  stub.failsafeOutcome = null;
  expect(await ask(stub.view().config)).toBe("no answer within 1 seconds");
});

function answers(name: string, apiUrl: string): Promise<boolean> {
  return new Promise((resolve) =>
    memberAnswers(() => stub.view().config, () => FACTS)(name, apiUrl, resolve)
  );
}

test("a namesake is an agent that answers by that name, and not one that has been given another name since", async () => {
  const url = `http://127.0.0.1:${server.port}/patroni`;
  const { name } = stub.view().config;
  expect(await answers(name, url)).toBe(true);
  expect(await answers("another", url)).toBe(false);
  expect(await answers(name, FACTS.apiUrl)).toBe(false);
  expect(await answers(name, "no address")).toBe(false);
  expect(await answers(name, "http://127.0.0.1:1/patroni")).toBe(false);
});

test("what answers at a member's old address and is no agent is no namesake", async () => {
  for (const body of ["", "<html>", "null", "[]", '"node1"', '{"patroni":null}', '{"patroni":{"name":7}}']) {
    using stranger = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response(body) });
    expect([body, await answers("node1", `http://127.0.0.1:${stranger.port}/patroni`)]).toEqual([
      body,
      false,
    ]);
  }
});
