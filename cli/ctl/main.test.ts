/** The command line itself: where options may stand, what is refused, which file and which member is used. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "./registry.ts";
import { runCtl, StubCluster } from "./testing.ts";

let cluster: StubCluster;
let directory: string;
let file: string;

beforeEach(() => {
  cluster = new StubCluster();
  directory = mkdtempSync(join(tmpdir(), "ctl-"));
  file = write("node.yml", `scope: demo\nrestapi:\n  connect_address: ${cluster.address}\n`);
});
afterEach(async () => {
  await cluster.stop();
  rmSync(directory, { recursive: true });
});

function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

test("group options stand before or after the command, in every spelling", async () => {
  const spellings = [
    ["-c", file, "dsn"],
    ["dsn", "-c", file],
    [`-c${file}`, "dsn"],
    [`--config-file=${file}`, "dsn"],
    ["dsn", "demo", "--config-file", file],
    ["-k", "-c", file, "dsn"],
    ["-kc", file, "dsn"],
    [`-kc${file}`, "dsn"],
    ["dsn", "-kc", file],
    ["-c", file, "dsn", "--group", "0"],
  ];
  for (const words of spellings) {
    expect(await runCtl(words)).toEqual({ code: 0, out: "host=10.0.0.1 port=5432", err: "" });
  }
});

test("without -c the file is named by the environment, else it is the default one", async () => {
  const dsn = async (environment: Record<string, string>) => (await runCtl(["dsn"], [], environment)).out;
  expect(await dsn({ PATRONICTL_CONFIG_FILE: file })).toBe("host=10.0.0.1 port=5432");
  mkdirSync(join(directory, ".config", "patroni"), { recursive: true });
  write(join(".config", "patroni", "patronictl.yaml"), `restapi: {connect_address: "${cluster.address}"}`);
  expect(await dsn({ HOME: directory })).toBe("host=10.0.0.1 port=5432");
  expect(await dsn({ HOME: directory, XDG_CONFIG_HOME: "" })).toBe("host=10.0.0.1 port=5432");
  expect(await dsn({ PATRONI_RESTAPI_CONNECT_ADDRESS: cluster.address })).toBe("host=10.0.0.1 port=5432");
});

test("a file may be JSON or a directory, and only what is needed of it is read", async () => {
  const json = write(
    "node.json",
    JSON.stringify({ scope: "demo", restapi: { connect_address: cluster.address }, ttl: "x" }),
  );
  expect((await runCtl(["-c", json, "dsn"])).code).toBe(0);
  const parts = join(directory, "parts");
  mkdirSync(parts);
  write(join("parts", "a.yml"), "scope: demo\nrestapi: {connect_address: '127.0.0.1:1'}");
  write(join("parts", "b.yaml"), `restapi: {connect_address: "${cluster.address}"}`);
  expect((await runCtl(["-c", parts, "dsn"])).code).toBe(0);
});

test("a file that is not there or not YAML is an error with its name", async () => {
  const missing = join(directory, "none.yml");
  expect(await runCtl(["-c", missing, "list"])).toEqual({
    code: 1,
    out: "",
    err:
      `Error: Provided config file ${missing} not existing or no read rights. Check the -c/--config-file parameter`,
  });
  expect((await runCtl(["-c", "/dev/zero", "list"])).err).toBe(
    "Error: /dev/zero: the file is larger than 256 KiB: this is no configuration (/dev/zero)",
  );
  const broken = write("broken.yml", "scope: [demo");
  expect((await runCtl(["-c", broken, "list"])).err).toStartWith(
    `Error: ${broken}:1:13: a bracket that was opened `,
  );
});

test("the next member is asked when the first does not answer", async () => {
  const [host, port] = cluster.address.split(":");
  const partners = write(
    "partners.yml",
    `scope: demo
raft: {self_addr: "127.0.0.1:7001", partner_addrs: ["${host}:7002"]}
restapi: {connect_address: "127.0.0.1:${Number(port) - 1}"}
`,
  );
  expect((await runCtl(["-c", partners, "dsn"])).out).toBe("host=10.0.0.1 port=5432");
});

test("a member of another cluster is not asked further", async () => {
  const other = write("other.yml", `scope: other\nrestapi: {connect_address: "${cluster.address}"}`);
  const message = `Error: No member of the cluster answers:\n  http://${cluster.address}: ` +
    "is a member of the cluster demo, not of other";
  expect(await runCtl(["-c", other, "list"])).toMatchObject({ code: 1, err: message });
  expect((await runCtl(["-c", file, "list", "other"])).err).toBe(message);
});

test("credentials of the file go with what needs them", async () => {
  cluster.port.changeRestapi({ authentication: { username: "admin", password: "secret" } });
  const authentication = "authentication: {username: admin, password: secret}";
  expect((await runCtl(["-c", file, "reload", "node1", "--force"])).out).toContain("status code=401");
  for (
    const part of [
      `restapi: {connect_address: "${cluster.address}", ${authentication}}`,
      `ctl: {${authentication}}`,
    ]
  ) {
    const named = write("auth.yml", part);
    const { code } = await runCtl(["-c", named, "-d", cluster.address, "reload", "node1", "--force"]);
    expect(code).toBe(0);
  }
});

test("-d names the protocol, too, and a password in it is not shown", async () => {
  const { err } = await runCtl(["-d", "https://127.0.0.1:1,127.0.0.1:2", "list"]);
  expect(err).toContain("https://127.0.0.1:1: ");
  expect(err).toContain("http://127.0.0.1:2: ");
  for (const url of ["etcd3://root:hun/ter2@10.0.0.9:2379", "http://root:hunter2@10.0.0.9:8008"]) {
    const warned = (await runCtl(["-d", url, "list"], [], { PATRONI_RESTAPI_LISTEN: "127.0.0.1:1" })).err;
    expect(warned).toContain("@10.0.0.9:");
    expect(warned).not.toContain("ter2");
  }
});

test("-d of another store is ignored with a warning", async () => {
  const { code, err } = await runCtl(["-c", file, "-d", "etcd3://10.0.0.9:2379", "dsn"]);
  expect(code).toBe(0);
  expect(err).toBe(
    "Warning: etcd3://10.0.0.9:2379 is ignored: there is no store beside the members themselves",
  );
});

test("-d that is neither a member nor a store is refused: nobody else is asked in its place", async () => {
  for (const url of ["", ":", "127.0.0.1:99999", "http://[::1", "127.0.0.1:1,", "a b"]) {
    for (const [words, environment] of [[["-d", url], {}], [[], { DCS_URL: url }]] as const) {
      if (url === "" && words.length === 0) continue;
      const { code, out, err } = await runCtl(["-c", file, ...words, "dsn"], [], environment);
      expect([url, code, out, err]).toEqual([
        url,
        1,
        "",
        `Error: '${url}' names no member (-d, DCS_URL): HOST[:PORT] of its REST API is expected, or several with ` +
        "commas between",
      ]);
    }
  }
});

const WRONG: readonly [string[], string, string][] = [
  [["lst"], "Usage: agent ctl [OPTIONS] COMMAND [ARGS]...", "No such command 'lst'. Did you mean 'list'?"],
  [["frobnicate"], "Usage: agent ctl [OPTIONS] COMMAND [ARGS]...", "No such command 'frobnicate'."],
  [["-k"], "Usage: agent ctl [OPTIONS] COMMAND [ARGS]...", "Missing command."],
  [["list", "--nope"], "Usage: agent ctl list [OPTIONS] [CLUSTER_NAMES]...", "Unknown option '--nope'"],
  [
    ["list", "-f", "xml"],
    "Usage: agent ctl list [OPTIONS] [CLUSTER_NAMES]...",
    "Invalid value for '--format' / '-f': 'xml' is not one of 'pretty', 'tsv', 'json', 'yaml', 'yml'.",
  ],
  [["dcs", "get"], "Usage: agent ctl dcs [OPTIONS] get KEY", "Say which record: agent ctl dcs get KEY."],
  [["dcs", "get", "a", "b"], "Usage: agent ctl dcs [OPTIONS] get KEY", "Got unexpected extra argument (b)"],
  [["dsn", "a", "b"], "Usage: agent ctl dsn [OPTIONS] [CLUSTER_NAME]", "Got unexpected extra argument (b)"],
  [
    ["list", "-w", "often"],
    "Usage: agent ctl list [OPTIONS] [CLUSTER_NAMES]...",
    "Invalid value for '-w' / '--watch': 'often' is not a valid number of seconds.",
  ],
  [
    ["list", "-w", "3000000"],
    "Usage: agent ctl list [OPTIONS] [CLUSTER_NAMES]...",
    "Invalid value for '-w' / '--watch': '3000000' is not a valid number of seconds.",
  ],
];

for (const [words, usage, message] of WRONG) {
  test(`agent ctl ${words.join(" ")} is a wrong command line`, async () => {
    const { code, out, err } = await runCtl(words);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err.split("\n")[0]).toBe(usage);
    expect(err.split("\n").at(-1)).toBe(`Error: ${message}`);
  });
}

test("every command explains itself with examples, without asking anyone", async () => {
  for (const name of Object.keys(COMMANDS)) {
    for (const words of [[name, "--help"], ["--help", name], [name, "-h"]]) {
      const { code, out } = await runCtl(words);
      expect(code).toBe(0);
      expect(out).toStartWith(`Usage: agent ctl ${name} [OPTIONS]`);
      expect(out).toMatch(/Examples:\n {2}\S/);
    }
  }
});

test("the overview names every command", async () => {
  for (const words of [[], ["--help"]]) {
    const { code, out } = await runCtl(words);
    expect(code).toBe(0);
    for (const name of Object.keys(COMMANDS)) expect(out).toContain(`  ${name} `);
  }
});

test("an option that does nothing with the verb is refused", async () => {
  const rows: readonly (readonly [words: string, option: string, verbs: string])[] = [
    ["config explain ttl -q", "quiet", "rollback"],
    ["config history --override", "override", "rollback"],
    ["config rollback 3 -f json", "format", "explain, history"],
    ["raft status --no-vote", "no-vote", "add"],
    ["raft transfer node2 --format json", "format", "status, dump"],
    ["raft snapshot --dir /srv/raft", "dir", "dump"],
    ["watchdog status --seconds 3", "seconds", "test"],
  ];
  for (const [words, option, verbs] of rows) {
    const [command, verb] = words.split(" ");
    const { code, err } = await runCtl(["-c", file, ...words.split(" ")]);
    expect({ command, code, last: err.split("\n").at(-1) }).toEqual({
      command,
      code: 2,
      last: `Error: --${option} has no effect with ${verb}, only with ${verbs}.`,
    });
  }
  expect(await runCtl(["-c", file, "config", "explain", "ttl", "-f", "json"])).toMatchObject({ code: 0 });
});
