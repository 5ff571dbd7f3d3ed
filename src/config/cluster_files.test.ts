import { expect, test } from "bun:test";
import { checkClusterFiles } from "./cluster_files.ts";
import { formatIssue, Issues } from "./issues.ts";
import { parseConfig } from "./parse.ts";

type Change = readonly [find: string | RegExp, replacement: string];

/** A member without an error, on a host of its own. */
function file(index: number, ...changes: readonly Change[]): string {
  const others = [1, 2, 3].filter((one) => one !== index).map((one) => `10.0.0.${one}:2222`);
  let text = `scope: main
name: node${index}
raft: {self_addr: "10.0.0.${index}:2222", partner_addrs: ["${
    others.join('", "')
  }"], data_dir: /srv/raft, password: hunter2}
restapi: {listen: "10.0.0.${index}:8008", authentication: {username: agent, password: hunter3}}
postgresql:
  listen: 10.0.0.${index}:5432
  data_dir: /srv/data
  authentication:
    superuser: {username: postgres, password: hunter4}
    replication: {username: replicator, password: hunter5}
bootstrap: {dcs: {ttl: 5}}
tags: {}
`;
  for (const [find, replacement] of changes) {
    if (text.search(find) < 0) throw new Error(`${find} is not in the file`);
    text = text.replace(find, () => replacement);
  }
  return text;
}

function found(...texts: readonly string[]): string[] {
  const files = texts.map((text, i) => {
    const name = `${i + 1}.yml`;
    const { config, issues, locations } = parseConfig([{ file: name, text }], {}, {
      path: name,
      witness: !text.includes("postgresql:"),
    });
    if (config === null) throw new Error(issues.map(formatIssue).join("\n"));
    return { config, issues: new Issues(locations, { file: name, line: null }) };
  });
  checkClusterFiles(files);
  return files.flatMap(({ issues }) => issues.list.map(formatIssue));
}

/** What is wrong when the second of three files is changed so. */
const second = (...changes: readonly Change[]) => found(file(1), file(2, ...changes), file(3));

const WITNESS = file(3, [/postgresql:\n( {2}.*\n)+/, ""], [/bootstrap.*\n/, ""], [/restapi.*\n/, ""]);

test("three members, and two with a witness, fit", () => {
  expect(found(file(1), file(2), file(3))).toEqual([]);
  expect(found(file(1), file(2), WITNESS)).toEqual([]);
});

test("a witness that is named first keeps nothing from being compared", () => {
  const witness = WITNESS.replace("name: node3", "name: node0");
  const lines = found(witness, file(1), file(2, ["hunter4", "hunter9"], ["ttl: 5", "ttl: 10"]));
  expect(lines).toEqual([
    expect.stringContaining(
      "error: postgresql.authentication.superuser.password: must be equal in all members",
    ),
    expect.stringContaining("warning: bootstrap.dcs.ttl: differs from 2.yml"),
  ]);
  const rewind = (secret: string): Change => [
    "    superuser:",
    `    rewind: {username: rewinder, password: ${secret}}\n    superuser:`,
  ];
  expect(found(file(1), file(2, rewind("hunter6")), file(3, rewind("hunter7")))).toEqual([
    expect.stringContaining("rewind.password: must be equal in all members: it is not that of 2.yml"),
  ]);
});

const ROWS: readonly (readonly [name: string, changes: readonly Change[], expected: readonly string[]])[] = [
  ["another scope", [["scope: main", "scope: mian"]], [
    '2.yml:1:1: error: scope: must be equal in all members: text "mian" here, text "main" in 1.yml',
  ]],
  ["another namespace", [["scope: main", "scope: main\nnamespace: /db/"]], [
    '2.yml:2:1: error: namespace: must be equal in all members: text "/db" here, text "/service" in 1.yml',
  ]],
  ["other election times", [["data_dir: /srv/raft", "data_dir: /srv/raft, election_timeout: 2s"]], [
    "2.yml:3:108: error: raft.election_timeout: must be equal in all members: 2000 to 3334 here, 600 to 1000 in 1.yml",
  ]],
  ["another password of raft", [["hunter2", "hunter9"]], [
    "2.yml:3:108: error: raft.password: must be equal in all members: it is not that of 1.yml (neither is shown)",
  ]],
  ["TLS in one of them", [[
    ", password: hunter2",
    ", password: hunter2, tls: {certfile: a, keyfile: b, cafile: c}",
  ]], [
    "2.yml:3:127: error: raft.tls: this file has it, and 1.yml does not: all members or none talk by TLS",
  ]],
  ["no login of the REST API", [[/authentication: .*hunter3}/, "allow_unauthenticated: true"]], [
    '2.yml:4:1: error: restapi.authentication.username: must be equal in all members: nothing here, text "agent" in 1.yml',
  ]],
  ["another password of a role", [["hunter5", "hunter9"]], [
    "2.yml:10:41: error: postgresql.authentication.replication.password: must be equal in all members: it is not that of 1.yml (neither is shown)",
  ]],
  ["another name of a role", [["username: postgres", "username: admin"]], [
    '2.yml:9:17: error: postgresql.authentication.superuser.username: must be equal in all members: text "admin" here, text "postgres" in 1.yml',
  ]],
  ["another login of the REST API", [["hunter3", "hunter9"]], [
    "2.yml:4:70: error: restapi.authentication.password: must be equal in all members: it is not that of 1.yml (neither is shown)",
  ]],
  ["another beginning", [["ttl: 5", "ttl: 10, loop_wait: 2"]], [
    "2.yml:11:19: warning: bootstrap.dcs.ttl: differs from 1.yml: whichever member initialises the cluster writes its own value",
    "2.yml:11:28: warning: bootstrap.dcs.loop_wait: differs from 1.yml: whichever member initialises the cluster writes its own value",
  ]],
  ["a beginning that lacks a key", [["ttl: 5", ""]], [
    "2.yml:11:13: warning: bootstrap.dcs.ttl: differs from 1.yml: whichever member initialises the cluster writes its own value",
  ]],
  ["a name twice", [["node2", "node1"]], [
    "2.yml:2:1: error: name: must differ between members: it is also that of 1.yml",
  ]],
  ["names that give one slot", [["node2", "Node1"]], [
    "2.yml:2:1: error: name: gives the replication slot node1, as node1 of 1.yml does: names must differ in more than case, hyphens and dots",
  ]],
  ["an address of PostgreSQL twice", [[/postgresql:\n/, "postgresql:\n  connect_address: 10.0.0.1:5432\n"]], [
    "2.yml:6:3: error: postgresql.connect_address: 10.0.0.1:5432 is also that of 1.yml: members have addresses of their own",
    "2.yml:8:3: error: postgresql.data_dir: /srv/data must differ: both are on one host: it is also that of 1.yml",
    "2.yml:3:87: error: raft.data_dir: /srv/raft must differ: both are on one host: it is also that of 1.yml",
  ]],
  ["a partner with another port", [["10.0.0.3:2222", "10.0.0.3:2223"]], [
    "2.yml:3:69: error: raft.partner_addrs[1]: 10.0.0.3:2223 is raft.self_addr in none of these files; did you mean 10.0.0.3:2222?",
  ]],
  ["a partner spelled wrong", [["10.0.0.3:2222", "10.0.0.33:2222"]], [
    "2.yml:3:69: error: raft.partner_addrs[1]: 10.0.0.33:2222 is raft.self_addr in none of these files; did you mean 10.0.0.3:2222?",
  ]],
  ["a partner that is no member", [['10.0.0.3:2222"', '10.0.0.3:2222", "192.168.7.15:4444"']], [
    "2.yml:3:86: warning: raft.partner_addrs[2]: 192.168.7.15:4444 is raft.self_addr in none of these files",
  ]],
  ["a partner that is not named", [[', "10.0.0.3:2222"', ""]], [
    "2.yml:3:36: warning: raft.partner_addrs: does not name 10.0.0.3:2222 (node3 of 3.yml): that is right only for a member that joins, or is joined, later",
  ]],
  ["an upstream that nobody is", [["tags: {}", "tags: {replicatefrom: nod3}"]], [
    "2.yml:12:8: warning: tags.replicatefrom: names none of these members: it follows the primary; did you mean node3?",
  ]],
];

for (const [name, changes, expected] of ROWS) {
  test(`files of a cluster: ${name}`, () => {
    const lines = second(...changes);
    expect([...lines].sort()).toEqual([...expected].sort());
    expect(lines.join("\n")).not.toContain("hunter");
  });
}

test("members of one host need directories and ports of their own", () => {
  const local = (index: number, port: number, ...changes: readonly Change[]) =>
    file(
      index,
      [`10.0.0.${index}:2222`, `127.0.0.1:${2222 + port}`],
      [/partner_addrs: .*?\]/, `partner_addrs: ["127.0.0.1:${2222 + 1 - port}"]`],
      [`10.0.0.${index}:8008`, `127.0.0.1:${8008 + port}`],
      [`10.0.0.${index}:5432`, `127.0.0.1:${5432 + port}`],
      ...changes,
    );
  const apart: readonly Change[] = [["/srv/raft", "/srv/raft2"], ["/srv/data", "/srv/data2"]];
  expect(found(local(1, 0), local(2, 1, ...apart))).toEqual([]);
  expect(found(local(1, 0), local(2, 1)).map((line) => line.replace(/^.*?error: /, "").split(":")[0]))
    .toEqual([
      "raft.data_dir",
      "postgresql.data_dir",
    ]);
  expect(found(local(1, 0), local(2, 1, ...apart, ["127.0.0.1:5433", '"127.0.0.1,127.0.0.2:2222"']))).toEqual(
    [
      "2.yml:6:3: error: postgresql.listen: 127.0.0.1:2222 clashes with raft.self_addr of 1.yml: both are on one host, and need addresses or ports of their own",
    ],
  );
});

test("files of which none but one may become the primary are told of", () => {
  const never: Change = ["tags: {}", "tags: {nofailover: true}"];
  expect(found(file(1), file(2, never), file(3, ["tags: {}", "tags: {failover_priority: 0}"]))).toEqual([
    "3.yml:12:1: warning: tags: only node1 may become the primary (tags nofailover and failover_priority of all files): none can take over"
      .replace(" of all files", ""),
  ]);
  expect(found(file(1, never), file(2, never), file(3, never))).toEqual([
    "3.yml:12:1: warning: tags: no member may become the primary (tags nofailover and failover_priority of all files)",
  ]);
});
