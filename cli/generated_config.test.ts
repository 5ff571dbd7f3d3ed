import { expect, test } from "bun:test";
import { parseConfig } from "../src/config/parse.ts";
import type { LocalConfig } from "../src/model/config.ts";
import { generatedConfig, type Instance, type Setting, type Surroundings } from "./generated_config.ts";

const AROUND: Surroundings = {
  host: "pg1.example.com",
  address: "10.0.0.1",
  superuser: { username: "postgres", password: "s3cret" },
  replicationPassword: null,
  raftPassword: "raft-secret",
  restPassword: "rest-secret",
  secrets: true,
  dataDir: "/srv/data",
};

/** Name to the value shown, and what is special about it. */
type Row = readonly [shown: string, how?: "given" | "given as built in"];

function instance(rows: { readonly [name: string]: Row }, change: Partial<Instance> = {}): Instance {
  const all: { readonly [name: string]: Row } = {
    data_directory: ["/srv/data", "given"],
    config_file: ["/srv/data/postgresql.conf", "given"],
    hba_file: ["/srv/data/pg_hba.conf", "given"],
    ident_file: ["/srv/data/pg_ident.conf", "given"],
    port: ["5433", "given"],
    listen_addresses: ["*", "given"],
    cluster_name: ["sales", "given"],
    max_connections: ["100", "given as built in"],
    wal_level: ["replica"],
    wal_log_hints: ["on", "given"],
    ...rows,
  };
  const settings = new Map(
    Object.entries(all).map(([name, [shown, how]]): [string, Setting] => [
      name,
      { name, shown, given: how !== undefined, standard: how !== "given" },
    ]),
  );
  return {
    versionText: "15.18",
    settings,
    inRecovery: false,
    binDir: null,
    partners: [],
    replicationRole: null,
    logicalSlots: [],
    ...change,
  };
}

function read(text: string): LocalConfig & { readonly warnings: readonly string[] } {
  const { config, issues } = parseConfig([{ file: "made.yml", text }], {});
  expect(issues.filter(({ severity }) => severity === "error")).toEqual([]);
  return { ...config!, warnings: issues.map(({ message }) => message) };
}

test("a running server's file is valid, and holds what differs from the defaults only", () => {
  const text = generatedConfig(
    instance(
      {
        max_connections: ["300", "given"],
        work_mem: ["6MB", "given"],
        shared_buffers: ["128MB", "given as built in"],
        jit: ["on"],
        wal_keep_size: ["128MB", "given"],
        lc_messages: ["C.UTF-8", "given"],
        archive_command: ["cp %p /backup/%f", "given"],
        unix_socket_directories: ["/run/pg", "given"],
        recovery_target_timeline: ["latest", "given"],
      },
      {
        partners: ["10.0.0.2", "10.0.0.3", "127.0.0.1", "10.0.0.1"],
        logicalSlots: [{ name: "feed", plugin: "pgoutput", database: "app" }],
      },
    ),
    AROUND,
  );
  const { name, scope, raft, restapi, postgresql, bootstrap, warnings } = read(text);
  expect({ name, scope }).toEqual({ name: "pg1", scope: "sales" });
  expect(raft.partnerAddrs).toEqual(["10.0.0.2:2222", "10.0.0.3:2222"]);
  expect({ raft: raft.password, dir: raft.dataDir }).toEqual({ raft: "raft-secret", dir: "/srv/data.raft" });
  expect(restapi.connectAddress).toBe("10.0.0.1:8008");
  expect(bootstrap.dcs).toEqual({
    slots: { feed: { type: "logical", plugin: "pgoutput", database: "app" } },
    postgresql: { use_pg_rewind: true, parameters: { max_connections: "300", work_mem: "6MB" } },
  });
  expect(postgresql).toMatchObject({
    dataDir: "/srv/data",
    configDir: "/srv/data",
    port: 5433,
    binDir: null,
  });
  expect(text).toContain("archive_command: cp %p /backup/%f");
  expect(text).toContain("unix_socket_directories: /run/pg");
  expect(postgresql!.superuser).toMatchObject({ username: "postgres", password: "s3cret" });
  expect(warnings).toContain("is still FIXME, the word that stands for a secret");
  for (
    const left of ["shared_buffers", "lc_messages", "recovery_", "hba_file", "jit", "wal_keep", "pg_hba:"]
  ) {
    expect(text).not.toContain(left);
  }
});

test("a standby's file names the role that it streams as, and its primary", () => {
  const conninfo = "host=10.0.0.9 user=streamer password='it is'";
  const made = generatedConfig(
    instance({ primary_conninfo: [conninfo, "given"] }, { inRecovery: true, partners: ["10.0.0.9"] }),
    AROUND,
  );
  expect(made).toContain("# FIXME: raft.partner_addrs");
  const { postgresql, raft } = read(made);
  expect(postgresql!.replication).toMatchObject({ username: "streamer", password: "it is" });
  expect(raft.partnerAddrs).toEqual(["10.0.0.9:2222"]);
});

test("Debian's places: a configuration elsewhere, a name with a slash, a server that listens here only", () => {
  const text = generatedConfig(
    instance({
      config_file: ["/etc/postgresql/15/main/postgresql.conf", "given"],
      hba_file: ["/etc/postgresql/15/main/pg_hba.conf", "given"],
      ident_file: ["/etc/ident.conf", "given"],
      cluster_name: ["15/main", "given"],
      listen_addresses: ["localhost", "given as built in"],
    }, { binDir: "/opt/pg/bin" }),
    { ...AROUND, host: "10.0.0.1", superuser: { username: "postgres", password: null } },
  );
  const { name, scope, postgresql, warnings } = read(text);
  expect({ name, scope }).toEqual({ name: "10", scope: "main" });
  expect(postgresql).toMatchObject({ configDir: "/etc/postgresql/15/main", binDir: "/opt/pg/bin" });
  expect(postgresql!.listenAddresses).toEqual(["localhost", "10.0.0.1"]);
  expect(postgresql!.superuser.password).toBeNull();
  expect(text).toContain("ident_file: /etc/ident.conf");
  expect(text).not.toContain("hba_file");
  expect(warnings.filter((one) => one.includes("FIXME")).length).toBe(1);
});

test("without a place for secrets none is written, and what is written is valid all the same", () => {
  for (const made of [instance({ primary_conninfo: ["user=u password=hidden", "given"] }), null]) {
    const text = generatedConfig(made, { ...AROUND, replicationPassword: "hidden too", secrets: false });
    for (const secret of ["s3cret", "hidden", "raft-secret", "rest-secret"]) {
      expect(text).not.toContain(secret);
    }
    expect(read(text).warnings.filter((one) => one.includes("FIXME")).length).toBe(4);
  }
});

test("a sample is valid", () => {
  const { postgresql, raft, name } = read(generatedConfig(null, { ...AROUND, host: "-" }));
  expect({ name, dataDir: postgresql!.dataDir, port: postgresql!.port, partners: raft.partnerAddrs }).toEqual(
    {
      name: "node1",
      dataDir: "/srv/data",
      port: 5432,
      partners: [],
    },
  );
});
