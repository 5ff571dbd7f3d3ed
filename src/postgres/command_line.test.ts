import { expect, test } from "bun:test";
import type { EffectivePostgresql, LocalConfig, PostgresqlConfig } from "../model/config.ts";
import { serverArguments } from "./command_line.ts";

const local = { scope: "demo" } as LocalConfig;
const postgresql = {
  dataDir: "/d",
  listenAddresses: ["10.0.0.1", "127.0.0.1"],
  port: 5433,
} as unknown as PostgresqlConfig;
const effective = {
  controlled: { max_connections: "50", max_wal_senders: "10", wal_level: "replica", wal_keep_size: "128MB" },
} as unknown as EffectivePostgresql;
const input = { local, postgresql, effective, configFile: "/d/postgresql.conf", primarySettings: null };

test("controlled parameters stand on the command line, wal_keep_size does not", () => {
  expect(serverArguments(input)).toEqual([
    "-D",
    "/d",
    "--config-file=/d/postgresql.conf",
    "--max_connections=50",
    "--max_wal_senders=10",
    "--wal_level=replica",
    "--listen_addresses=10.0.0.1,127.0.0.1",
    "--port=5433",
    "--cluster_name=demo",
  ]);
});

test("a standby has at least what its primary has", () => {
  const args = serverArguments({ ...input, primarySettings: { max_connections: 200, max_wal_senders: 5 } });
  expect(args).toContain("--max_connections=200");
  expect(args).toContain("--max_wal_senders=10");
});
