/** What goes wrong before or beside a cluster: every case has a clear message, and nothing is lost by it. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { JsonObject } from "../src/model/json.ts";
import { applyPatch } from "../src/model/merge.ts";
import type { Cluster } from "../src/demo/cluster.ts";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { freePorts } from "../src/demo/ports.ts";
import { run } from "../src/demo/run.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { findPrograms } from "../src/postgres/programs.ts";
import { binary, isRoot, user } from "./e2e/environment.ts";
import { explained, newCluster, START_MS, withCluster } from "./e2e/harness.ts";
import { answersWith } from "./e2e/shown.ts";

const { story } = withCluster({ dcs: { ttl: 2 } });

/** Changes a node's file for as long as `action` takes. */
async function withConfig(host: Host, patch: JsonObject, action: () => Promise<void>): Promise<void> {
  const original = readFileSync(host.configFile, "utf8");
  writeFileSync(host.configFile, stringify(applyPatch(parse(original) as JsonObject, patch)));
  try {
    await action();
  } finally {
    await host.powerOff();
    writeFileSync(host.configFile, original);
  }
}

function logs(cluster: Cluster): string {
  return cluster.hosts.map((host) => host.log()).join("\n");
}

story(
  "a member with a wrong raft.password is refused, said so on both sides, and joins with the right one",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const standby = cluster.others(primary)[0]!;
    await standby.powerOff();
    await withConfig(standby, { raft: { password: "not the password" } }, async () => {
      const before = primary.log().length;
      const own = standby.log().length;
      standby.start();
      await waitFor(
        "a word about the password",
        START_MS,
        () => /password/i.test(primary.log().slice(before)),
      );
      await waitFor("a word about the password", START_MS, () => /password/i.test(standby.log().slice(own)));
      expect(logs(cluster)).not.toContain("not the password");
    });
    expect(await fixture.healed()).toBe(primary);
  },
);

story("a member of another cluster is refused, and the cluster goes on", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const standby = cluster.others(primary)[0]!;
  await standby.powerOff();
  const begin = nowMs();
  await withConfig(
    standby,
    { scope: "other", raft: { data_dir: join(standby.directory, "raft-other") } },
    async () => {
      const before = logs(cluster).length;
      standby.start();
      await waitFor(
        "a word about another cluster",
        START_MS,
        () => /cluster/i.test(logs(cluster).slice(before)),
      );
      await fixture.client.waitForWrite(begin + 3000, START_MS, primary.name);
    },
  );
  expect(await fixture.healed()).toBe(primary);
});

story("a partner that leads back to the member itself is named, by whatever address", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const standby = cluster.others(primary)[0]!;
  await standby.powerOff();
  const [port] = await freePorts(1);
  // As a new one: what it would do with the directory of a member is not the question.
  const startWith = async (raft: JsonObject, said: string) => {
    const data_dir = join(standby.directory, "raft-other");
    await withConfig(standby, { scope: "other", raft: { data_dir, ...raft } }, async () => {
      const before = standby.log().length;
      standby.start();
      await waitFor(
        said,
        START_MS,
        () => standby.log().slice(before).includes(`${said} leads to this member itself`),
      );
    });
  };
  const [self_addr, partner] = [`127.0.0.1:${port}`, `localhost:${port}`];
  await startWith({ self_addr, partner_addrs: [partner] }, `raft.partner_addrs[0]: ${partner}`);
  const outside = Object.values(networkInterfaces()).flatMap((all) => all ?? []).find((
    { internal, family },
  ) => !internal && family === "IPv4");
  if (outside !== undefined) {
    const other = `${outside.address}:${port}`;
    const bind_addr = `0.0.0.0:${port}`;
    await startWith({ partner_addrs: [other], bind_addr }, `ERROR: raft.partner_addrs[0]: ${other}`);
  }
  expect(await fixture.healed()).toBe(primary);
});

story("garbage on the raft and REST ports harms nobody", async (fixture) => {
  const { cluster, client } = fixture;
  const primary = await fixture.healed();
  const begin = nowMs();
  const agents = cluster.hosts.map((host) => host.agentPid());
  const http = "GET /primary HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n";
  const inputs = [
    randomBytes(65_536),
    Buffer.alloc(65_536, 0xff),
    Buffer.alloc(9),
    Buffer.from(http),
    Buffer.from("\r\n\r\n\0"),
  ];
  for (const { addresses } of cluster.hosts) {
    for (const port of [addresses.raftPort, addresses.restPort]) {
      await Promise.all(inputs.map((input) => throwAt(addresses.address, port, input)));
    }
  }
  await client.waitForWrite(nowMs() + 3000, START_MS, primary.name);
  expect(cluster.hosts.map((host) => host.agentPid())).toEqual(agents);
  expect(client.failures.filter((one) => one.sentMs > begin)).toEqual([]);
  expect(await cluster.waitHealthy(START_MS)).toBe(primary);
});

/** A connection to a REST port from the address of somebody else; what comes, and when it ends. */
function stranger(host: Host, bytes: string, localAddress = "127.0.1.1") {
  const { address, restPort } = host.addresses;
  const seen = { received: "", closed: false, socket: null as unknown as Socket };
  seen.socket = connect({ host: address, port: restPort, localAddress }, () => seen.socket.write(bytes));
  seen.socket.on("data", (chunk) => seen.received += chunk.toString("latin1"));
  seen.socket.on("error", () => seen.socket.destroy());
  seen.socket.on("close", () => seen.closed = true);
  return seen;
}

story(
  "what a stranger sends to the REST port costs neither lease nor health checks, and ends at its deadline",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const renewals = async () =>
      Number(/^agent_renewal_seconds_count\{.*\} (\d+)$/m.exec((await primary.rest("/metrics")).text)?.[1]);
    const epoch = async () => JSON.parse((await primary.rest("/patroni")).text).agent.epoch as number;
    const before = { log: primary.log().length, epoch: await epoch(), renewals: await renewals() };
    const request = "GET /metrics HTTP/1.1\r\n\r\n".repeat(100);
    const forged =
      "POST /reload%0a2026-01-01%2000:00:00,000%20INFO:%20promoted HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    const strangers = [
      ...Array.from({ length: 60 }, () => stranger(primary, request)),
      ...Array.from(
        { length: 30 },
        () => stranger(primary, 'GET / HTTP/1.1\r\nHost: [a b%0a"\r\n\r\n'.repeat(20)),
      ),
      ...Array.from({ length: 10 }, () => stranger(primary, forged.repeat(20))),
      ...Array.from(
        { length: 300 },
        () => stranger(primary, "POST /restart HTTP/1.1\r\nContent-Length: 9\r\n", "127.0.1.2"),
      ),
    ];
    try {
      const held = () => strangers.slice(100).filter(({ closed }) => !closed).length;
      await waitFor("the limit of one address", START_MS, () => held() <= 128);
      const check = stranger(primary, "OPTIONS /primary HTTP/1.0\r\n\r\n", "127.0.1.2");
      await waitFor(
        "the stranger's own check is answered",
        START_MS,
        () => check.received.startsWith("HTTP/1.1 200 "),
      );
      await answersWith(primary, "/primary", 200);
      await waitFor("half a head is given up", START_MS, () => held() === 0);
      await waitFor("renewals go on", START_MS, async () => await renewals() >= before.renewals + 10);
      const got = (from: number, to: number, status: number) => () =>
        strangers.slice(from, to).every(({ received }) => received.startsWith(`HTTP/1.1 ${status} `));
      await waitFor("answers to all that asked for metrics", START_MS, got(0, 60, 200));
      await waitFor("an answer to an odd Host", START_MS, got(60, 61, 200));
      await waitFor("the refusal of a reload", START_MS, got(90, 91, 401));
    } finally {
      for (const { socket } of strangers) socket.destroy();
    }
    expect(await epoch()).toBe(before.epoch);
    const lines = primary.log().slice(before.log).split("\n");
    expect(lines.filter((line) => line.includes("INFO: promoted")).length).toBeLessThanOrEqual(20);
    expect(lines.filter((line) => /INFO: promoted$/.test(line))).toEqual([]);
    expect(lines.filter((line) => line.includes("127.0.1.")).length).toBeLessThan(100);
    expect((await cluster.waitHealthy()).name).toBe(primary.name);
  },
);

story("a REST port in use: the agent says which and ends", async (fixture) => {
  const primary = await fixture.healed();
  const standby = fixture.cluster.others(primary)[0]!;
  await standby.powerOff();
  const { address, restPort } = standby.addresses;
  await occupied(address, restPort, async () => {
    const before = standby.log().length;
    standby.start();
    expect(await standby.exitCode(START_MS)).toBe(1);
    expect(standby.log().slice(before)).toContain(String(restPort));
  });
  expect(await fixture.healed()).toBe(primary);
});

story("a raft port in use: the agent says which and ends", async (fixture) => {
  const primary = await fixture.healed();
  const standby = fixture.cluster.others(primary)[0]!;
  await standby.powerOff();
  const { address, raftPort } = standby.addresses;
  await occupied(address, raftPort, async () => {
    const before = standby.log().length;
    standby.start();
    expect(await standby.exitCode(START_MS)).toBe(1);
    expect(standby.log().slice(before)).toContain(String(raftPort));
  });
  expect(await fixture.healed()).toBe(primary);
});

story("times that break an inequality of the lease are refused, with the numbers", async (fixture) => {
  const primary = await fixture.healed();
  const standby = fixture.cluster.others(primary)[0]!;
  await standby.powerOff();
  await withConfig(standby, { raft: { election_timeout: [1000, 1500] } }, async () => {
    const before = standby.log().length;
    standby.start();
    expect(await standby.exitCode(START_MS)).toBe(1);
    expect(standby.log().slice(before)).toMatch(/L2 .*= 1900 ms must stay below L = 1546 ms/);
  });
  expect(await fixture.healed()).toBe(primary);
});

story(
  "a reload of a file that nobody can use holds nothing up, changes nothing, and says why",
  async (fixture) => {
    const primary = await fixture.healed();
    const [pid, postmaster] = [primary.agentPid(), primary.postmasterPid()];
    const original = readFileSync(primary.configFile, "utf8");
    const aliases = "a: &a {k: 1}\n" + Array.from({ length: 16 }, (_, i) => {
      const before = i === 0 ? "a" : `b${i - 1}`;
      return `b${i}: &b${i} {<<: *${before}, x: *${before}, y: *${before}}\n`;
    }).join("");
    const begin = nowMs();
    try {
      for (
        const [text, said] of [
          [aliases, "too many or too deeply nested values"],
          ['"'.repeat(3_900_000), "the file is larger than 256 KiB"],
          [`${original}log: {dir: /nonexistent/log}\n`, "log.dir: /nonexistent/log does not exist"],
          [original.replace(/password: .*/g, "password: !x"), "begins with !, which YAML takes for a tag"],
          [
            original.replace("restapi:\n", "restapi:\n  http_extra_headers: {X: 'a\u20ac'}\n"),
            "no header can have",
          ],
        ] as const
      ) {
        const before = primary.log().length;
        writeFileSync(primary.configFile, text);
        primary.signalAgent("SIGHUP");
        await waitFor(
          said,
          START_MS,
          () => {
            const log = primary.log().slice(before);
            return log.includes("the configuration in force stays") && log.includes(said);
          },
        );
        await answersWith(primary, "/primary", 200);
      }
    } finally {
      writeFileSync(primary.configFile, original);
    }
    expect([primary.agentPid(), primary.postmasterPid()]).toEqual([pid, postmaster]);
    expect(fixture.client.failures.filter((one) => one.sentMs > begin)).toEqual([]);
  },
);

story("PostgreSQL's programs missing: the message names what was looked for", async (fixture) => {
  const primary = await fixture.healed();
  const standby = fixture.cluster.others(primary)[0]!;
  await standby.powerOff();
  await withConfig(standby, { postgresql: { bin_dir: "/nonexistent/bin" } }, async () => {
    const before = standby.log().length;
    standby.start();
    expect(await standby.exitCode(START_MS)).toBe(1);
    expect(standby.log().slice(before)).toContain("/nonexistent/bin");
  });
  expect(await fixture.healed()).toBe(primary);
});

story(
  "a data directory of another system is left as it is, and the message names both identifiers",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const standby = cluster.others(primary)[0]!;
    await standby.powerOff();
    const foreign = join(standby.directory, "foreign");
    const initdb = [
      ...standby.settings.prefix,
      findPrograms({ binDir: null, binName: {}, dataDir: "" }).path("initdb"),
    ];
    const made = await run(
      initdb[0]!,
      [...initdb.slice(1), "-D", foreign, "-A", "trust", "--no-sync"],
      standby.directory,
    );
    expect(made.code).toBe(0);
    const control = readFileSync(join(foreign, "global/pg_control"));
    const found = () => [readdirSync(foreign), statSync(foreign).mtimeMs, statSync(foreign).mode];
    const before = found();
    await withConfig(standby, { postgresql: { data_dir: foreign } }, async () => {
      const from = standby.log().length;
      standby.start();
      await waitFor(
        "a word about the system identifier",
        30_000,
        () => /system (ID|identifier)/i.test(standby.log().slice(from)),
      );
    });
    // Not even a file that was taken away again.
    expect(found()).toEqual(before);
    expect(readFileSync(join(foreign, "global/pg_control")).equals(control)).toBe(true);
    expect(await fixture.healed()).toBe(primary);
  },
);

story("a directory that is not PostgreSQL's is not touched", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const standby = cluster.others(primary)[0]!;
  await standby.powerOff();
  const foreign = join(standby.directory, "photos");
  const made = await run("/bin/sh", [
    "-c",
    `mkdir ${foreign} && echo holiday > ${foreign}/photo && chmod -R a+rwX ${foreign}`,
  ], "/");
  expect(made.code).toBe(0);
  await withConfig(standby, { postgresql: { data_dir: foreign } }, async () => {
    const before = standby.log().length;
    standby.start();
    await waitFor(
      "a word about the directory",
      START_MS,
      () => standby.log().slice(before).includes(foreign),
    );
  });
  expect(readdirSync(foreign)).toEqual(["photo"]);
  expect(await fixture.healed()).toBe(primary);
});

story(
  "a damaged consensus log: the agent refuses to start, says how to go on, and leaves the file alone",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const standby = cluster.others(primary)[0]!;
    await standby.powerOff();
    const segment = newestSegment(join(standby.directory, "raft"));
    const original = readFileSync(segment);
    const file = openSync(segment, "r+");
    // In the middle of what was written: not a torn tail.
    writeSync(file, Buffer.from([original[80]! ^ 0xff]), 0, 1, 80);
    closeSync(file);
    const damaged = readFileSync(segment);
    const before = standby.log().length;
    standby.start();
    expect(await standby.exitCode(START_MS)).toBe(1);
    expect(standby.log().slice(before)).toContain(segment.split("/").at(-1)!);
    expect(readFileSync(segment).equals(damaged)).toBe(true);
    await standby.powerOff();
    writeFileSync(segment, original);
    expect(await fixture.healed()).toBe(primary);
  },
);

test.skipIf(!isRoot)(
  "started as root without --user: refused, with the way out; with --user it runs as that user",
  async () => {
    const cluster = await newCluster({ size: 1 });
    await explained(cluster, () => {
      const host = cluster.hosts[0]!;
      const direct = spawnSync(host.settings.binary, ["run", host.configFile], {
        cwd: "/",
        encoding: "utf8",
        timeout: START_MS,
      });
      expect(direct.status).toBe(1);
      expect(direct.stdout + direct.stderr).toContain("--user");
      expect(existsSync(host.dataDir)).toBe(false);
    }).finally(() => cluster.destroy());
  },
);

test("validate-config names the key, the line and what was expected", async () => {
  const cluster = await newCluster({ size: 1 });
  try {
    const file = cluster.hosts[0]!.configFile;
    const good = readFileSync(file, "utf8");
    expect((await run(binary, ["validate-config", file], "/")).code).toBe(0);
    writeFileSync(
      file,
      good.replace(/^name: .*\n/m, "").replace(/port|listen: 127\.0\.0\.1:\d+/, "listen: [1, 2]"),
    );
    const bad = await run(binary, ["validate-config", file], "/");
    expect(bad.code).toBe(1);
    expect(bad.output).toContain("name");
    expect(bad.output).toMatch(/listen/);
    expect(bad.output).toMatch(/line \d+|:\d+/);
  } finally {
    await cluster.destroy();
  }
});

test("a file that does not exist and a command that does not exist are named", async () => {
  const missing = await run(binary, ["run", "/nonexistent.yml", ...(user ? ["--user", user] : [])], "/");
  expect(missing.code).not.toBe(0);
  expect(missing.output).toContain("/nonexistent.yml");
  const unknown = await run(binary, ["dance"], "/");
  expect(unknown.code).not.toBe(0);
  expect(unknown.output).toContain("dance");
});

function throwAt(host: string, port: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host, port }, () => socket.write(bytes));
    // The other side may close at the first wrong byte or wait for more: both are fine.
    socket.setTimeout(1500, () => socket.destroy());
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
    socket.resume();
  });
}

/** Runs `action` while something else listens on the port. */
async function occupied(host: string, port: number, action: () => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  // What held the port may be a moment longer in dying than its process is visible.
  await waitFor(`port ${port} to be free`, START_MS, () => listening(server, port, host));
  try {
    await action();
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

function listening(server: Server, port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, host, () => resolve(true));
  });
}

function newestSegment(directory: string): string {
  const files = readdirSync(directory, { recursive: true }) as string[];
  return join(directory, files.filter((name) => name.endsWith(".log")).sort().at(-1)!);
}
