import { expect, test } from "bun:test";
import { parse } from "./testing.ts";

interface Addresses {
  readonly raft: string;
  readonly restapi: string;
  /** null: a witness. */
  readonly postgresql: string | null;
}

const DISTINCT: Addresses = {
  raft: "self_addr: 10.0.0.1:7800",
  restapi: "10.0.0.1:8008",
  postgresql: "10.0.0.1:5432",
};

const file = ({ raft, restapi, postgresql }: Addresses) =>
  `scope: main
name: node1
raft: {${raft}, data_dir: /srv/raft, password: x}
restapi:
  listen: "${restapi}"
  connect_address: 10.0.0.1:8008
  authentication: {username: agent, password: x}
` + (postgresql === null ? "" : `postgresql:
  listen: "${postgresql}"
  connect_address: 10.0.0.1:5432
  data_dir: /srv/data
  authentication:
    superuser: {username: postgres, password: x}
    replication: {username: replicator, password: x}
`);

const ROWS: readonly [name: string, change: Partial<Addresses>, errors: readonly string[]][] = [
  ["three ports", {}, []],
  ["raft's own address is restapi's", { raft: "self_addr: 10.0.0.1:8008" }, [
    "raft.self_addr: 10.0.0.1:8008 is also the address of restapi.listen: give each a port of its own",
  ]],
  ["raft's own address is postgresql's", { raft: "self_addr: 10.0.0.1:5432" }, [
    "raft.self_addr: 10.0.0.1:5432 is also the address of postgresql.listen: give each a port of its own",
  ]],
  ["restapi's address is postgresql's", { restapi: "10.0.0.1:5432" }, [
    "restapi.listen: 10.0.0.1:5432 is also the address of postgresql.listen: give each a port of its own",
  ]],
  ["a port that is only the default", { restapi: "10.0.0.1", raft: "self_addr: 10.0.0.1:8008" }, [
    "raft.self_addr: 10.0.0.1:8008 is also the address of restapi.listen: give each a port of its own",
  ]],
  ["raft binds another address than its own", {
    raft: "self_addr: 10.0.0.1:7800, bind_addr: 10.0.0.1:8008",
  }, ["raft.bind_addr: 10.0.0.1:8008 is also the address of restapi.listen: give each a port of its own"]],
  ["raft does not bind its own address", {
    raft: "self_addr: 10.0.0.1:8008, bind_addr: 10.0.0.1:7800",
  }, []],
  ["raft on all interfaces", { raft: "self_addr: 10.0.0.1:7800, bind_addr: 0.0.0.0:8008" }, [
    "raft.bind_addr: 0.0.0.0:8008 is also the address of restapi.listen (10.0.0.1:8008): give each a port of its own",
  ]],
  ["postgresql on all interfaces", { restapi: "10.0.0.1:5432", postgresql: "*:5432" }, [
    "restapi.listen: 10.0.0.1:5432 is also the address of postgresql.listen (*:5432): give each a port of its own",
  ]],
  ["all interfaces on distinct ports", { restapi: "0.0.0.0:8008", postgresql: "*:5432" }, []],
  ["one of postgresql's addresses", { restapi: "10.0.0.1:5432", postgresql: "127.0.0.1,10.0.0.1:5432" }, [
    "restapi.listen: 10.0.0.1:5432 is also the address of postgresql.listen: give each a port of its own",
  ]],
  ["both of postgresql's addresses: said once", {
    restapi: "0.0.0.0:5432",
    postgresql: "127.0.0.1,10.0.0.1:5432",
  }, [
    "restapi.listen: 0.0.0.0:5432 is also the address of postgresql.listen (127.0.0.1:5432): " +
    "give each a port of its own",
  ]],
  ["none of postgresql's addresses", { restapi: "10.0.0.1:5432", postgresql: "127.0.0.1,10.0.0.2:5432" }, []],
  ["one port on addresses of one machine", {
    raft: "self_addr: 127.0.0.1:5432",
    restapi: "127.0.0.2:5432",
    postgresql: "127.0.0.3:5432",
  }, []],
  ["members on one machine", {
    raft: "self_addr: 127.0.0.1:7800, partner_addrs: [127.0.0.2:7800, 127.0.0.3:7800]",
  }, []],
  ["a member without a vote", { raft: "partner_addrs: [10.0.0.2:8008]" }, []],
  ["a witness on one port", { raft: "self_addr: 10.0.0.1:8008", postgresql: null }, [
    "raft.self_addr: 10.0.0.1:8008 is also the address of restapi.listen: give each a port of its own",
  ]],
  ["a witness on two ports", { postgresql: null }, []],
  ["three times one port", {
    raft: "self_addr: 10.0.0.1:1",
    restapi: "10.0.0.1:1",
    postgresql: "10.0.0.1:1",
  }, [
    "raft.self_addr: 10.0.0.1:1 is also the address of restapi.listen: give each a port of its own",
    "raft.self_addr: 10.0.0.1:1 is also the address of postgresql.listen: give each a port of its own",
    "restapi.listen: 10.0.0.1:1 is also the address of postgresql.listen: give each a port of its own",
  ]],
];

for (const [name, change, errors] of ROWS) {
  test(`ports: ${name}`, () => {
    const addresses = { ...DISTINCT, ...change };
    const { config, issues } = parse(file(addresses), {}, { witness: addresses.postgresql === null });
    const found = issues.filter((issue) => issue.severity === "error");
    expect(found.map(({ path, message }) => `${path}: ${message}`)).toEqual([...errors]);
    expect(config === null).toBe(errors.length > 0);
  });
}
