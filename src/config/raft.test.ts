import { expect, test } from "bun:test";
import { describeIssue } from "./issues.ts";
import { minimalWith, parse, parsedConfig } from "./testing.ts";

const raft = (keys: string) =>
  parse(MINIMAL_WITHOUT_RAFT + keys.split("\n").map((line) => `  ${line}\n`).join(""));
const MINIMAL_WITHOUT_RAFT = minimalWith("raft:", "unused:").replace(/unused:\n( {2}.*\n)+/, "") + "raft:\n";

const leadsBack = (entry: string) =>
  `error: raft.${entry} leads to this member itself: partner_addrs names the others only. Leave it out, or correct the ` +
  "address of the member that was meant";

const ROWS: readonly [name: string, keys: string, issues: readonly string[]][] = [
  [
    "own address among the partners",
    "self_addr: 127.0.0.1:1\npartner_addrs: [127.0.0.1:2, localhost:3, 127.0.0.1:1]\ndata_dir: /r",
    [
      "error: raft.partner_addrs[2]: 127.0.0.1:1 is this member's own raft.self_addr: partner_addrs names the others only",
    ],
  ],
  [
    "own address among the partners, by a name of the host",
    "self_addr: 127.0.0.1:1\npartner_addrs: [localhost:1, 127.0.0.1:2]\ndata_dir: /r",
    [leadsBack("partner_addrs[0]: localhost:1")],
  ],
  [
    "own port on loopback, from other hosts' point of view",
    'self_addr: 10.0.0.1:1\npartner_addrs: [127.0.0.1:1, "[::1]:1"]\ndata_dir: /r\npassword: x',
    [leadsBack("partner_addrs[0]: 127.0.0.1:1"), leadsBack("partner_addrs[1]: [::1]:1")],
  ],
  [
    "the port that is listened on, on loopback",
    "self_addr: 10.0.0.1:1\nbind_addr: 0.0.0.0:2\npartner_addrs: [localhost:2, 127.0.0.1:3]\ndata_dir: /r\npassword: x",
    [leadsBack("partner_addrs[0]: localhost:2")],
  ],
  [
    "members of one host, with a loopback address each",
    "self_addr: 127.0.0.1:1\npartner_addrs: [127.0.0.2:1, 127.0.0.3:1]\ndata_dir: /r",
    [],
  ],
  [
    "a partner twice, in two spellings",
    'self_addr: "[::1]:1"\npartner_addrs: ["[::1]:2", "[0::1]:2", "[::1]:3"]\ndata_dir: /r',
    [
      "error: raft.partner_addrs[1]: [0::1]:2 is there twice: the quorum would count a member that does not exist",
    ],
  ],
  ["two voters", "self_addr: 127.0.0.1:1\npartner_addrs: [127.0.0.1:2]\ndata_dir: /r", [
    "warning: raft.partner_addrs: 2 voters: an even number survives no more failures than 1 would; with one of the two down nothing can be decided. Add a third member or a witness",
  ]],
  [
    "four voters",
    "self_addr: 127.0.0.1:1\npartner_addrs: [127.0.0.1:2, 127.0.0.1:3, 127.0.0.1:4]\ndata_dir: /r",
    [
      "warning: raft.partner_addrs: 4 voters: an even number survives no more failures than 3 would; add or remove one, or add a witness",
    ],
  ],
  ["one voter", "self_addr: 127.0.0.1:1\ndata_dir: /r", []],
  ["no address at all", "data_dir: /r", [
    "error: raft.self_addr: required: this member's own host:port, which the other members reach it at",
  ]],
  [
    "other hosts without a proof of identity",
    "self_addr: 127.0.0.1:1\npartner_addrs: [127.0.0.1:2, 10.0.0.3:3]\ndata_dir: /r",
    [
      "error: raft.password: required: 10.0.0.3:3 can be reached from other hosts, and any host that reaches it could take over the cluster. " +
      "Add the same raft.password on every member (members prove that they know it; traffic is not encrypted), or " +
      "raft.tls with certfile, keyfile and cafile (mutual TLS)",
      "warning: postgresql.connect_address: 127.0.0.1:5001 cannot be reached by the members on other hosts",
      "warning: restapi.connect_address: 127.0.0.1:8001 cannot be reached by the members on other hosts",
    ],
  ],
  [
    "all interfaces without a proof of identity",
    "self_addr: 127.0.0.1:1\nbind_addr: 0.0.0.0:1\ndata_dir: /r",
    [
      "error: raft.password: required: 0.0.0.0:1 can be reached from other hosts, and any host that reaches it could take over the cluster. " +
      "Add the same raft.password on every member (members prove that they know it; traffic is not encrypted), or " +
      "raft.tls with certfile, keyfile and cafile (mutual TLS)",
    ],
  ],
  ["an own address that is none", 'self_addr: "0.0.0.0:1"\npassword: x\ndata_dir: /r', [
    "error: raft.self_addr: 0.0.0.0:1 stands for all interfaces, and no host can connect to it: name this host's address here, and put 0.0.0.0:1 into raft.bind_addr",
  ]],
  [
    "a partner without a port",
    "self_addr: 127.0.0.1:1\npartner_addrs: [127.0.0.1, 127.0.0.1:3]\ndata_dir: /r",
    [
      'error: raft.partner_addrs[0]: expected text like host:port, got text "127.0.0.1"',
      "warning: raft.partner_addrs: 2 voters: an even number survives no more failures than 1 would; with one of the two down nothing can be decided. Add a third member or a witness",
    ],
  ],
  ["half of TLS", "self_addr: 127.0.0.1:1\ntls: {certfile: c}\ndata_dir: /r", [
    "error: raft.tls.keyfile: required: a path of at most 4095 bytes, without control characters",
    "error: raft.tls.cafile: required: a path of at most 4095 bytes, without control characters",
  ]],
  ["no directory for the log", "self_addr: 127.0.0.1:1", [
    "warning: raft.data_dir: not set: /srv/node1.raft is used; name it, so that it never moves with postgresql.data_dir",
  ]],
  ["the log inside the data directory", "self_addr: 127.0.0.1:1\ndata_dir: /srv/data/raft", [
    "error: raft.data_dir: lies in postgresql.data_dir, which is emptied and copied from other members: put it elsewhere",
  ]],
  ["the data directory inside the log's", "self_addr: 127.0.0.1:1\ndata_dir: /srv", [
    "warning: raft.data_dir: holds postgresql.data_dir: better give the log a directory of its own",
  ]],
  [
    "election times the wrong way round",
    "self_addr: 127.0.0.1:1\ndata_dir: /r\nelection_timeout: [900, 600]",
    [
      "error: raft.election_timeout: the smaller time comes first and differs from the larger (at most 10min): got 900 and 600 ms",
    ],
  ],
  [
    "an election after two heartbeats",
    "self_addr: 127.0.0.1:1\ndata_dir: /r\nelection_timeout: 200ms\nheartbeat_interval: 100ms",
    [
      "error: raft.election_timeout: 200 ms is less than 3 heartbeats of 100 ms (raft.heartbeat_interval): one late packet would start an election",
    ],
  ],
  ["election times that are none", "self_addr: 127.0.0.1:1\ndata_dir: /r\nelection_timeout: [soon, later]", [
    "error: raft.election_timeout: expected times in ms (600) or with a unit (600ms, 1s)",
  ]],
  ["three election times", "self_addr: 127.0.0.1:1\ndata_dir: /r\nelection_timeout: [1, 2, 3]", [
    "error: raft.election_timeout: expected one time in ms or a list of two (min, max), got a list of 3",
  ]],
];

for (const [name, keys, expected] of ROWS) {
  test(`raft: ${name}`, () => {
    const { config, issues } = raft(keys);
    const found = issues.map((issue) =>
      `${issue.severity}: ${describeIssue(issue).replace(/^line \d+: /, "")}`
    );
    expect(found.sort()).toEqual([...expected].sort());
    expect(config === null).toBe(expected.some((line) => line.startsWith("error")));
  });
}

test("a password or mutual TLS opens the network", () => {
  const remote = "self_addr: 10.0.0.1:1\npartner_addrs: 10.0.0.2:1, 10.0.0.3:1\ndata_dir: /r\n";
  expect(raft(`${remote}password: x`).config?.raft).toMatchObject({
    password: "x",
    partnerAddrs: ["10.0.0.2:1", "10.0.0.3:1"],
  });
  expect(raft(`${remote}tls: {certfile: c, keyfile: k, cafile: a}`).config?.raft.tls).toEqual({
    certfile: "c",
    keyfile: "k",
    cafile: "a",
  });
});

test("times for slow networks", () => {
  const times = raft(
    "self_addr: 127.0.0.1:1\ndata_dir: /r\nelection_timeout: [1500, 3s]\nheartbeat_interval: 500ms",
  ).config?.raft;
  expect(times).toMatchObject({ electionMinMs: 1500, electionMaxMs: 3000, heartbeatMs: 500 });
  expect(raft("self_addr: 127.0.0.1:1\ndata_dir: /r\nelection_timeout: 1200").config?.raft).toMatchObject({
    electionMinMs: 1200,
    electionMaxMs: 2000,
  });
});

test("partners without an own address: part of the cluster without a vote", () => {
  const config = parsedConfig(minimalWith("  self_addr: 127.0.0.1:7801\n", ""));
  expect(config.raft).toMatchObject({ selfAddr: null, bindAddr: "127.0.0.1:0" });
});

test("published addresses that other hosts cannot reach are reported", () => {
  const { issues } = raft(
    "self_addr: 10.0.0.1:1\npartner_addrs: [10.0.0.2:1, 10.0.0.3:1]\npassword: x\ndata_dir: /r",
  );
  expect(issues.map((issue) => issue.path)).toEqual([
    "restapi.connect_address",
    "postgresql.connect_address",
  ]);
});
