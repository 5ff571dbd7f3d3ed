import { afterEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { Authority, type Wanted } from "../raft/transport/testing_certificates.ts";
import { freePorts } from "../src/demo/ports.ts";
import { DirectoryOwner } from "../src/guard/directory_owner.ts";
import { validateConfigCommand } from "./validate_config.ts";
import type { ValidateOptions } from "./validate_config.ts";
import { madeByService } from "./validate_host.ts";

const directories: string[] = [];
const servers: Server[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
  for (const server of servers.splice(0)) server.close();
});

/** A host with programs of PostgreSQL 17 that know only their version. */
function host(): string {
  const directory = mkdtempSync(join(tmpdir(), "validate-config-"));
  directories.push(directory);
  mkdirSync(join(directory, "bin"));
  for (
    const program of ["postgres", "initdb", "pg_basebackup", "pg_rewind", "pg_controldata", "pg_waldump"]
  ) {
    writeFileSync(join(directory, "bin", program), "#!/bin/sh\necho 'postgres (PostgreSQL) 17.2'\n", {
      mode: 0o755,
    });
  }
  return directory;
}

function listening(): Promise<Server> {
  const server = createServer();
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done(server)));
}

interface Changes {
  readonly postgresPort?: number;
  /** Address and other fields of the section. */
  readonly raft?: string;
  readonly more?: string;
  readonly postgres?: string;
  /** More fields of the section. */
  readonly restapi?: string;
}

async function validate(
  directory: string,
  changes: Changes = {},
  options: Partial<ValidateOptions> = {},
): Promise<{ code: number; lines: string[] }> {
  const file = join(directory, "agent.yml");
  const [raftPort, restPort, postgresPort] = await freePorts(3);
  const text = `scope: main
name: node1
raft: {${changes.raft ?? `self_addr: "127.0.0.1:${raftPort}"`}, data_dir: ${directory}/raft}
restapi: {listen: "127.0.0.1:${restPort}"${changes.restapi ?? ""}}
watchdog: {mode: off}
postgresql:
  listen: 127.0.0.1:${changes.postgresPort ?? postgresPort}
  data_dir: ${directory}/data
  bin_dir: ${directory}/bin
  authentication: {superuser: {username: postgres, password: hunter2}, replication: {username: r, password: hunter2}}
${changes.postgres ?? ""}${changes.more ?? ""}`;
  writeFileSync(file, text, { mode: 0o600 });
  const lines: string[] = [];
  const code = await validateConfigCommand([file], {
    environment: {},
    write: (line) => lines.push(line),
    ...options,
  });
  return {
    code,
    // Lines alone tell where they are; columns have tests of their own.
    lines: lines.map((line) => line.replaceAll(`${file}:`, "F:").replace(/^(F:\d+):\d+:/, "$1:")).filter((
      line,
    ) => !line.includes("checked as root")),
  };
}

test("a good configuration on a good host", async () => {
  const { code, lines } = await validate(host());
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(": valid, ");
  expect(code).toBe(0);
});

test("issues of the file and of the host, in the order of the lines", async () => {
  const directory = host();
  const { code, lines } = await validate(directory, {
    more: "typo: 1\nbootstrap:\n  dcs: {ttl: soon}\n",
    postgres: "  pg_hba: 5\n",
  });
  expect(lines.slice(0, 3)).toEqual([
    "F:11: error: postgresql.pg_hba: expected a list of lines, got number 5",
    "F:12: warning: typo: this key is not known and has no effect",
    'F:14: error: bootstrap.dcs.ttl: expected seconds (30, or 30s, 5min), got text "soon"',
  ]);
  expect(code).toBe(1);
});

test("a password file whose directory cannot be used is an error", async () => {
  const directory = host();
  writeFileSync(join(directory, "file"), "");
  const { code, lines } = await validate(directory, { postgres: `  pgpass: ${directory}/file/pgpass\n` });
  expect(lines[0]).toBe(`F:11: error: postgresql.pgpass: ${directory}/file is not a directory`);
  expect(code).toBe(1);
});

test("a data directory that another agent owns is an error", async () => {
  const directory = host();
  mkdirSync(join(directory, "data"), { mode: 0o700 });
  mkdirSync(join(directory, "other", "run"), { recursive: true });
  const other = join(directory, "other");
  const keepers = { guard: process.pid, agent: 0 };
  const owner = new DirectoryOwner(join(directory, "data"), other, () => keepers);
  expect(owner.claim("look")).toEqual({ kind: "ours" });
  const { code, lines } = await validate(directory);
  expect(lines[0]).toStartWith(
    `F:8: error: postgresql.data_dir: ${directory}/data is in use: the agent of the raft directory`,
  );
  expect(lines[0]).toContain(`${other} owns it (guard ${process.pid})`);
  expect(code).toBe(1);
  owner.release();
  expect((await validate(directory)).code).toBe(0);
});

test("a port in use is an error, unless the member may be running", async () => {
  const directory = host();
  const server = await listening();
  servers.push(server);
  const { port } = server.address() as AddressInfo;
  const strict = await validate(directory, { postgresPort: port });
  expect(strict.lines[0]).toBe(
    `F:7: error: postgresql.listen: 127.0.0.1:${port} is in use already (while the member runs: --ignore-listen-port)`,
  );
  expect(strict.code).toBe(1);
  expect((await validate(directory, { postgresPort: port }, { ignoreListenPort: true })).code).toBe(0);
});

test("an address that this host does not have: the setting that is in the file is named, and the way out", async () => {
  const self = 'self_addr: "198.51.100.1:5010", password: secret';
  const own = await validate(host(), { raft: self });
  expect(own.lines[0]).toBe(
    "F:3: error: raft.self_addr: 198.51.100.1:5010 is no address of this host: name one that is",
  );
  expect(own.code).toBe(1);
  const bind = await validate(host(), { raft: `${self}, bind_addr: "198.51.100.2:5010"` });
  expect(bind.lines[0]).toBe(
    "F:3: error: raft.bind_addr: 198.51.100.2:5010 is no address of this host: name one that is",
  );
});

test("programs that are not there", async () => {
  const directory = host();
  rmSync(join(directory, "bin", "pg_rewind"));
  const { code, lines } = await validate(directory);
  expect(lines[0]).toStartWith(`F:9: error: postgresql.bin_dir: ${directory}/bin/pg_rewind not found`);
  expect(code).toBe(1);
});

test("the program that an agent runs without, and what that costs", async () => {
  const directory = host();
  rmSync(join(directory, "bin", "pg_waldump"));
  const { code, lines } = await validate(directory);
  expect(lines[0]).toStartWith(
    `F:9: warning: postgresql.bin_dir: ${directory}/bin/pg_waldump not found, so that`,
  );
  expect(code).toBe(0);
});

const DATA: readonly [name: string, make: (data: string) => void, problem: string | null][] = [
  ["empty", () => {}, null],
  ["of this version", (data) => fill(data, "17"), null],
  [
    "of another version",
    (data) => fill(data, "15"),
    "belongs to PostgreSQL 15, the programs to 17: set postgresql.bin_dir",
  ],
  [
    "of someone else",
    (data) => writeFileSync(join(data, "letter.txt"), "x"),
    "is not empty and not a PostgreSQL data directory",
  ],
  ["half-written", (data) => {
    for (const name of ["agent.unfinished", "pg_hba.conf"]) writeFileSync(join(data, name), "");
  }, null],
  ["open to others", (data) => {
    fill(data, "17");
    chmodSync(data, 0o755);
  }, "has permissions 0755: PostgreSQL wants 0700 or 0750"],
];

function fill(data: string, version: string): void {
  writeFileSync(join(data, "PG_VERSION"), `${version}\n`);
  mkdirSync(join(data, "global"));
}

for (const [name, make, problem] of DATA) {
  test(`a data directory ${name}`, async () => {
    const directory = host();
    const data = join(directory, "data");
    mkdirSync(data, { mode: 0o700 });
    make(data);
    const { code, lines } = await validate(directory);
    expect(code).toBe(problem === null ? 0 : 1);
    if (problem !== null) expect(lines[0]).toBe(`F:8: error: postgresql.data_dir: ${data} ${problem}`);
  });
}

test("a data directory that is a file", async () => {
  const directory = host();
  writeFileSync(join(directory, "data"), "");
  expect((await validate(directory)).lines[0]).toEndWith("/data is not a directory");
});

test("certificates that are not there", async () => {
  const directory = host();
  const { lines } = await validate(directory, { more: "ctl: {cacert: /nowhere/ca.crt}\n" });
  expect(lines[0]).toBe("F:11: error: ctl.cacert: /nowhere/ca.crt does not exist or cannot be read");
});

test("a required watchdog that is not there, or leaves no time", async () => {
  const watchdog = "watchdog: {mode: required, device: /nowhere/watchdog, safety_margin: 5}\n";
  const { code, lines } = await validate(host(), { more: watchdog });
  expect(lines.filter((line) => line.includes(" error: "))).toEqual([
    "F:11: error: watchdog.device: /nowhere/watchdog does not exist, and with watchdog.mode: required this member would never become primary",
    "F:11: error: watchdog.safety_margin: ttl 3 s with a margin of 5 leaves the watchdog -2 s, which must be at least loop_wait (1 s)",
  ]);
  expect(code).toBe(1);
});

test("times that would break a promise are refused with the numbers", async () => {
  const { code, lines } = await validate(host(), { more: "bootstrap: {dcs: {ttl: 2}}\n" });
  expect(code).toBe(0);
  expect(lines).toHaveLength(1);
  const slow = host();
  const raft = `raft: {self_addr: "127.0.0.1:1", data_dir: ${slow}/raft, election_timeout: [3s, 5s]}`;
  const refused = await validate(slow, { more: `bootstrap: {dcs: {ttl: 5}}\n${raft}\n` }, {
    ignoreListenPort: true,
  });
  expect(refused.lines.find((line) => line.includes("L2"))).toContain("error: bootstrap.dcs.ttl: L2");
  expect(refused.code).toBe(1);
});

test("programs, files and directories that are named and not there", async () => {
  const { code, lines } = await validate(host(), {
    postgres:
      "  pre_promote: /nonexistent/hook -x\n  callbacks: {on_start: /nonexistent/call, on_stop: /bin/true}\n" +
      "  custom_conf: /nonexistent/my.conf\n" +
      "  create_replica_methods: [walg, basebackup]\n  walg: {command: /nonexistent/walg fetch}\n",
    more:
      "bootstrap: {post_bootstrap: /nonexistent/post, method: mine, mine: {command: /nonexistent/mine}}\n" +
      "log: {dir: /nonexistent/log}\n",
  });
  expect(code).toBe(1);
  const said = lines.join("\n");
  for (const key of ["pre_promote", "callbacks.on_start", "custom_conf", "walg.command"]) {
    expect(said).toContain(`error: postgresql.${key}: /nonexistent/`);
  }
  expect(said).toContain("error: bootstrap.post_bootstrap: /nonexistent/post");
  expect(said).toContain("error: bootstrap.mine.command: /nonexistent/mine");
  expect(said).toContain("error: log.dir: /nonexistent/log does not exist");
  expect(said).not.toContain("on_stop");
});

test("a member for other hosts that names none of them is warned of", async () => {
  const warned = async (raft: string) =>
    (await validate(host(), { raft: `${raft}, password: secret` }, { ignoreListenPort: true })).lines
      .filter((line) => line.includes("names nobody"));
  expect(await warned('self_addr: "198.51.100.1:5010"')).toEqual([
    expect.stringContaining("warning: raft.partner_addrs: names nobody: where there is no cluster yet"),
  ]);
  expect(await warned('self_addr: "198.51.100.1:5010", partner_addrs: ["198.51.100.2:5010"]')).toEqual([]);
  expect(await warned('self_addr: "127.0.0.1:5010"')).toEqual([]);
});

test("failsafe mode with nobody to ask is warned of", async () => {
  const { code, lines } = await validate(host(), { more: "bootstrap: {dcs: {failsafe_mode: on}}\n" });
  expect(code).toBe(0);
  expect(lines[0]).toContain("warning: bootstrap.dcs.failsafe_mode: has no effect with one member");
});

test("synchronous keys that the members cannot fulfil are warned of", async () => {
  const warned = async (dcs: string, raft: string) =>
    (await validate(host(), { more: `bootstrap: {dcs: {${dcs}}}\n`, raft })).lines
      .filter((line) => line.includes("synchronous_"));
  const alone = 'self_addr: "127.0.0.1:5010"';
  const pair = `${alone}, partner_addrs: ["127.0.0.1:5011"]`;
  const strict = "synchronous_mode: on, synchronous_mode_strict: true";
  expect(await warned(strict, alone)).toEqual([
    expect.stringContaining("bootstrap.dcs.synchronous_mode_strict: there is no other member: no commit"),
  ]);
  expect(await warned(strict, pair)).toEqual([]);
  expect(await warned("synchronous_mode: quorum, synchronous_node_count: 2", pair)).toEqual([
    expect.stringContaining("synchronous_node_count: asks for 2, and 1 other member may be synchronous"),
  ]);
  expect(await warned("synchronous_mode_strict: true", pair)).toEqual([
    expect.stringContaining("bootstrap.dcs.synchronous_mode_strict: has no effect without synchronous_mode"),
  ]);
});

test("a list of ciphers that names none is an error", async () => {
  const { lines } = await validate(host(), { restapi: ", ciphers: 'NONE-SUCH:!aNULL'" });
  expect(lines[0]).toBe('F:4: error: restapi.ciphers: "NONE-SUCH:!aNULL" names no cipher that is known here');
  expect((await validate(host(), { restapi: ", ciphers: 'ECDHE+AESGCM:!aNULL'" })).code).toBe(0);
});

test("the printed configuration hides passwords", async () => {
  const { lines } = await validate(host(), {}, { printConfig: true });
  expect(lines[0]).toContain("username: postgres");
  expect(lines.join("\n")).not.toContain("hunter2");
});

test("a file for another store lacks the raft section, and is told which to add", async () => {
  const directory = host();
  const file = join(directory, "etcd.yml");
  writeFileSync(
    file,
    "scope: m\nname: n\netcd3: {host: 'x:1'}\nrestapi: {listen: '127.0.0.1:8008'}\npostgresql: {listen: '127.0.0.1:1', data_dir: /x, authentication: {superuser: {username: a}, replication: {username: b}}}\n",
    { mode: 0o600 },
  );
  const lines: string[] = [];
  expect(await validateConfigCommand([file], { environment: {}, write: (line) => lines.push(line) })).toBe(1);
  expect(lines[0]).toContain("error: raft: required: the members form their own quorum in place of etcd3");
  expect(lines.join("\n")).toContain("Add this section");
  expect(lines.join("\n")).toContain("raft:\n  self_addr: ");
  expect(lines.at(-1)).toContain(": 1 error, ");
});

const [outside] = Object.values(networkInterfaces()).flatMap((all) => all ?? []).filter((
  { internal, family },
) => !internal && family === "IPv4");

test.skipIf(outside === undefined)(
  "a partner that leads to another address of this host is an error",
  async () => {
    const [port] = await freePorts(1);
    const partner = `${outside!.address}:${port}`;
    const { code, lines } = await validate(host(), {
      raft: `self_addr: "10.255.255.1:${port}", bind_addr: "0.0.0.0:${port}", password: secret, ` +
        `partner_addrs: ["10.255.255.2:7800", "${partner}"]`,
    });
    expect(code).toBe(1);
    expect(lines.filter((line) => line.includes("leads to"))).toEqual([
      `F:3: error: raft.partner_addrs[1]: ${partner} leads to this member itself: partner_addrs names the others only. ` +
      "Leave it out, or correct the address of the member that was meant",
    ]);
  },
);

test("a certificate that the other members would refuse is an error, and one that stands for two members a warning", async () => {
  const directory = host();
  const authority = new Authority("ca");
  const [port] = await freePorts(1);
  const raft =
    `self_addr: "127.0.0.1:${port}", partner_addrs: ["10.0.0.2:7000", "10.0.0.3:7000"], tls: {certfile: ` +
    `${directory}/cert, keyfile: ${directory}/key, cafile: ${directory}/ca}`;
  const said = async (names: string[], usages?: Wanted["usages"]) => {
    const files = authority.issue({ names, usages });
    for (const part of ["cert", "key", "ca"] as const) {
      writeFileSync(join(directory, part), files[part], { mode: 0o600 });
    }
    const { code, lines } = await validate(directory, { raft });
    return { code, lines: lines.filter((line) => line.includes("raft.tls.certfile")) };
  };
  expect(await said(["127.0.0.1"])).toEqual({ code: 0, lines: [] });
  const shared = await said(["127.0.0.1", "10.0.0.3"]);
  expect(shared.code).toBe(0);
  expect(shared.lines.join()).toContain("stands for the member at 10.0.0.3:7000 as well");
  const other = await said(["10.0.0.3"]);
  expect(other.code).not.toBe(0);
  expect(other.lines.join()).toContain("its subject alternative names must hold IP:127.0.0.1");
  expect((await said(["127.0.0.1"], ["clientAuth"])).lines.join()).toContain("extended key usage");
});

test("several files are those of one cluster: problems of each, of the whole, and no look at this host", async () => {
  const directory = mkdtempSync(join(tmpdir(), "validate-config-"));
  directories.push(directory);
  const files = ["a", "b", "w"].map((name, i) => {
    const file = join(directory, `${name}.yml`);
    const partners = [1, 2, 3].filter((one) => one !== i + 1).map((one) => `"10.0.0.${one}:2222"`);
    const postgresql = `postgresql:
  listen: 10.0.0.${i + 1}:5432
  data_dir: /nowhere/data
  authentication: {superuser: {username: postgres, password: hunter2}, replication: {username: r, password: hunter2}}
`;
    writeFileSync(
      file,
      `scope: main\nname: ${name}\nraft: {self_addr: "10.0.0.${i + 1}:2222", partner_addrs: [${partners}], ` +
        `password: hunter${i === 1 ? 4 : 3}, data_dir: /nowhere/raft}\n` +
        (name === "w"
          ? ""
          : `restapi: {listen: "10.0.0.${i + 1}:8008", allow_unauthenticated: true}\n${postgresql}`),
    );
    return file;
  });
  const validated = async (...paths: readonly string[]) => {
    const lines: string[] = [];
    // A variable of one member is not that of the others.
    const environment = { PATRONI_NAME: "mine" };
    const code = await validateConfigCommand(paths, { environment, write: (line) => lines.push(line) });
    return { code, lines: lines.map((line) => line.replaceAll(`${directory}/`, "")) };
  };
  expect(await validated(...files)).toEqual({
    code: 1,
    lines: [
      "b.yml:3:86: error: raft.password: must be equal in all members: it is not that of a.yml (neither is shown)",
      "3 files: 1 error, 0 warnings",
    ],
  });
  writeFileSync(files[1]!, readFileSync(files[1]!, "utf8").replace("hunter4", "hunter3"));
  expect(await validated(...files)).toEqual({ code: 0, lines: ["3 files: valid, 0 warnings"] });
  const missing = await validated(files[0]!, join(directory, "none.yml"), files[2]!);
  expect([missing.code, missing.lines.at(-1)]).toEqual([1, "3 files: 1 error, 0 warnings"]);
});

test("before the first start the directory that the unit makes is not missed", () => {
  expect(madeByService("/var/lib/agent")).toBe(
    "the service's unit makes /var/lib/agent when it starts (StateDirectory=agent)",
  );
  expect(madeByService("/var/lib/agent-witness")).toContain("StateDirectory=agent-witness");
  expect(madeByService("/var/lib/agents")).toBeNull();
  expect(madeByService("/var/lib")).toBeNull();
});
