/**
 * The REST API in its thread: the same answers, a lease that ends by time, and a loop that strangers cannot
 * keep busy.
 */
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { Authority } from "../../../raft/transport/testing_certificates.ts";
import { SystemClock } from "../../lib/clock.ts";
import { MemoryLog } from "../../lib/log.ts";
import { ApiClient } from "../client.ts";
import type { ApiView } from "../port.ts";
import { ListenError } from "../listen_error.ts";
import { stubLocalConfig, StubPort } from "../testing.ts";
import { ApiThread } from "./api_thread.ts";
import type { FromThread } from "./protocol.ts";
import { RemotePort, takeSnapshot } from "./remote_port.ts";

const threads: ApiThread[] = [];
const client = new ApiClient({ timeoutMs: 5000, authentication: null, tls: null });
const clock = new SystemClock();

afterEach(() => {
  for (const thread of threads.splice(0)) thread.terminate();
});

function start(port: StubPort, config = port.view().config, pingMs = 5000) {
  const workers: Worker[] = [];
  const log = new MemoryLog();
  const thread = new ApiThread(port, config, {
    clock,
    log,
    pingMs,
    onWorker: (worker) => workers.push(worker),
  });
  threads.push(thread);
  return { thread, log, workers, base: `http://127.0.0.1:${thread.port}` };
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 20_000;
  while (!await condition()) {
    if (performance.now() > endMs) throw new Error(`not within 20 s: ${what}`);
    await Bun.sleep(10);
  }
}

class CountingPort extends StubPort {
  views = 0;

  override view(): ApiView {
    this.views++;
    return super.view();
  }
}

test("every endpoint answers as it does without the thread", async () => {
  const port = new StubPort();
  const { base } = start(port);
  const codes: (number | false)[] = [];
  for (
    const path of [
      "/primary",
      "/replica",
      "/patroni",
      "/cluster",
      "/history",
      "/config",
      "/metrics",
      "/agent/timing",
      "/agent/raft",
      "/agent/decisions",
      "/agent/watchdog",
      "/failsafe",
      "/nowhere",
    ]
  ) {
    const reply = await client.request(base, "GET", path);
    codes.push(reply.ok && reply.status);
  }
  expect(codes).toEqual([200, 503, 200, 200, 200, 200, 200, 200, 200, 200, 404, 502, 503]);
  expect((await client.cluster(base))?.members.length).toBeGreaterThan(1);
});

test("the thread takes certificates that were renewed on the disk, without being told", async () => {
  const directory = mkdtempSync(join(tmpdir(), "api-thread-"));
  const authority = new Authority("api");
  const write = (commonName: string) => {
    const { cert, key } = authority.issue({ commonName, names: ["127.0.0.1"] });
    writeFileSync(join(directory, "cert.pem"), `${cert}${key}`);
  };
  try {
    write("first");
    const port = new StubPort();
    port.changeRestapi({ certfile: join(directory, "cert.pem") });
    const { thread } = start(port, port.view().config, 20);
    const shown = () =>
      new Promise<string>((resolve, reject) => {
        const socket = connect({ host: "127.0.0.1", port: thread.port, ca: authority.ca }, () => {
          resolve(String(socket.getPeerCertificate().subject.CN));
          socket.destroy();
        });
        // Between the two listeners nobody listens, and who stood in line at the old one is sent away.
        socket.on("error", (error) =>
          "code" in error && ["ECONNREFUSED", "ECONNRESET"].includes(String(error.code))
            ? resolve("")
            : reject(error));
      });
    expect(await shown()).toBe("first");
    write("renewed");
    await until("the renewed certificate", async () => await shown() === "renewed");
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("an operation is run by the agent, and what it did is seen by the next request", async () => {
  const port = new StubPort();
  const { base } = start(port);
  port.onFailover = ({ id }) =>
    setTimeout(() =>
      port.changeDcs({
        failover: null,
        lock: { ...port.view().dcs!.lock, holder: "node2" },
        failoverResults: [{ id, ok: true, text: 'Successfully switched over to "node2"' }],
      }), 100);
  const reply = await client.request(base, "POST", "/switchover", {
    body: { leader: "node1", candidate: "node2" },
  });
  expect(reply.ok && [reply.status, reply.text]).toEqual([200, 'Successfully switched over to "node2"']);
  const reload = await client.request(base, "POST", "/reload");
  expect(reload.ok && reload.text).toBe("reload scheduled");
  expect(port.calls.at(-1)).toBe("reload");
  const cluster = await client.cluster(base);
  expect(cluster?.members.find(({ role }) => role === "leader")?.name).toBe("node2");
});

test("what is shown counts for the next request, however young the copy was", async () => {
  const port = new StubPort();
  const { base, thread } = start(port);
  const { config, dynamic } = port.view();
  for (const scope of ["one", "two", "three", "four"]) {
    port.change({ config: { ...config, scope }, dynamic });
    await thread.show();
    const reply = await client.request(base, "GET", "/patroni");
    expect(reply.ok && reply.text).toContain(`"scope": "${scope}"`);
  }
});

test("an operation that throws is an error of one request", async () => {
  const port = new StubPort();
  port.restart = () => Promise.reject(new Error("a fault of ours"));
  const { base, log } = start(port);
  const reply = await client.request(base, "POST", "/restart");
  expect(reply.ok && reply.status).toBe(500);
  await until("it is logged", () => log.lines.some((line) => line.includes("a fault of ours")));
  expect((await client.request(base, "GET", "/primary")).ok).toBe(true);
});

test("a port in use is an error at the start, and at a reload the reason why it goes on as before", async () => {
  const first = start(new StubPort());
  expect(() => start(new StubPort(), stubLocalConfig(first.thread.port))).toThrow(ListenError);
  const second = start(new StubPort());
  const problem = await second.thread.reload(stubLocalConfig(first.thread.port));
  expect(problem).toContain("another program listens there already");
  expect(await second.thread.reload(stubLocalConfig(0))).toBe(null);
  await until("it answers", async () => {
    const cluster = await client.cluster(`http://127.0.0.1:${second.thread.port}`);
    return cluster?.scope === "demo";
  });
});

test("a thread that ends is started again, and said so", async () => {
  const { workers, thread, log } = start(new StubPort());
  workers[0]!.terminate();
  await until("a second thread", () => workers.length === 2);
  await until(
    "it answers",
    async () => (await client.request(`http://127.0.0.1:${thread.port}`, "GET", "/primary")).ok,
  );
  expect(log.lines[0]).toContain("the thread of the REST API has ended");
});

test("a thread that hangs is replaced", async () => {
  const workers: Worker[] = [];
  const log = new MemoryLog();
  // The first hears no ping, as if it stood still.
  const onWorker = (worker: Worker) => {
    workers.push(worker);
    if (workers.length > 1) return;
    const post = worker.postMessage.bind(worker);
    worker.postMessage = (message: { kind: string }) => {
      if (message.kind !== "ping") post(message);
    };
  };
  const thread = new ApiThread(new StubPort(), stubLocalConfig(0), { clock, log, onWorker, pingMs: 300 });
  threads.push(thread);
  await until("a second thread", () => workers.length >= 2);
  await until("it answers", async () => {
    return (await client.request(`http://127.0.0.1:${thread.port}`, "GET", "/primary")).ok;
  });
  expect(log.lines[0]).toContain("(it does not answer)");
});

test("the agent's loop makes 20 copies a second at most, whatever is asked", async () => {
  const port = new CountingPort();
  const { base } = start(port);
  const beginMs = performance.now();
  const paths = ["/primary", "/metrics", "/cluster?x", "/agent/decisions", "/nowhere"];
  let answered = 0;
  await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    for (let n = 0; n < 20; n++) {
      if ((await client.request(base, "GET", paths[(i + n) % paths.length]!)).ok) answered++;
    }
  }));
  expect(answered).toBe(1000);
  // Three kinds of copies (with timing, with decisions, with neither), each once in 50 ms, and the one of the
  // start.
  expect(port.views).toBeLessThan(3 * ((performance.now() - beginMs) / 50 + 1) + 2);
});

test("between requests a copy is made with each ping", async () => {
  const port = new CountingPort();
  start(port, port.view().config, 1000);
  const atStart = port.views;
  await until("copies are made", () => port.views >= atStart + 2);
});

test("a copy ages: the lease ends by time while the agent says nothing, and maintenance mode needs none", async () => {
  let nowMs = 1000;
  const hand = { now: () => nowMs, after: () => ({ cancel() {} }), soon() {} };
  const port = new StubPort();
  port.leaseRemainingMs = () => 900;
  const sent: FromThread[] = [];
  const remote = new RemotePort(hand, takeSnapshot(port, hand, ["timing"]), (message) => sent.push(message));
  expect(remote.freshen("/primary")).toBe(undefined);
  expect([remote.holdsLease(), remote.leaseRemainingMs()]).toEqual([true, 900]);
  nowMs = 1899;
  expect([remote.holdsLease(), remote.view().loopAgeMs - port.view().loopAgeMs]).toEqual([true, 899]);
  expect(remote.view().sqlAnswers).toBe(true);
  nowMs = 1900;
  expect([remote.holdsLease(), remote.leaseRemainingMs()]).toEqual([false, 0]);
  // Nobody answers: patience ends, and the old copy is answered from.
  await remote.freshen("/primary");
  expect(sent).toEqual([{ kind: "look", look: 1, parts: ["view"] }]);
  expect(remote.holdsLease()).toBe(false);

  port.leaseRemainingMs = () => 0;
  remote.heard({ kind: "snapshot", look: 1, snapshot: takeSnapshot(port, hand, []) });
  nowMs = 100_000;
  expect(remote.holdsLease()).toBe(true);
  // Whether PostgreSQL answers has not been seen since.
  expect(remote.view().sqlAnswers).toBe(false);
});
