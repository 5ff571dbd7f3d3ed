/**
 * How the agent reaches its own PostgreSQL where only one of the ways works: by certificate, by socket, by
 * pg_hba.conf.
 */
import { expect, test } from "bun:test";
import { closeSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { lookAtServer } from "../src/agent/health/server_probe.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { ConfigInForce } from "../src/postgres/config_in_force.ts";
import { connect } from "../src/postgres/connection.ts";
import { LocalServer } from "../src/postgres/local_server.ts";
import { STATUS_QUERY } from "../src/postgres/status_query.ts";
import { findPrograms } from "../src/postgres/programs.ts";
import { LOCALHOST } from "./postgres/localhost_certificate.ts";
import { LIMIT_MS, STORY_MS, type TestMember, whyNoPostgres, withSite } from "./postgres/site.ts";

const reason = whyNoPostgres();
if (reason !== null) console.warn(`skipped: ${reason}`);
const story = test.skipIf(reason !== null);

const SCRAM = "scram-sha-256";
const said = (member: TestMember, text: string) =>
  waitFor(
    `"${text}" in the log of ${member.name}`,
    LIMIT_MS,
    () => member.log.lines.join("\n").includes(text),
  );

/** As an agent that has just been started has it. */
function newServer(member: TestMember, info: string[] = [], dataDir = member.dataDir): LocalServer {
  const { postgresql } = member.config;
  return new LocalServer({
    config: new ConfigInForce({ ...member.config, postgresql: { ...postgresql!, dataDir } }),
    major: findPrograms(postgresql!).major,
    socketDirectories: () => member.dynamic().postgresql.parameters.unix_socket_directories ?? null,
    now: () => member.clock.now(),
    info: (text) => void info.push(text),
  });
}

/** Outcome of an attempt: whether the test's own server answered, or why none did. */
async function outcome(server: LocalServer): Promise<string> {
  try {
    return await server.with({}, async (connection) => {
      await connection.query("SELECT 1");
      return "connected";
    });
  } catch (error) {
    return (error as Error).message;
  }
}

story(
  "verify-full with a certificate for the host's name: all addresses are listened on, and the name is used",
  () =>
    withSite(async (site) => {
      const file = (name: string, text: string) => {
        writeFileSync(join(site.root, name), text, { mode: 0o600 });
        return join(site.root, name);
      };
      const cert = file("server.crt", LOCALHOST.cert);
      const superuser = { sslmode: "verify-full", sslrootcert: cert };
      const member = await site.member("node-1", (port) => ({
        postgresql: {
          listen: `*:${port}`,
          connect_address: `localhost:${port}`,
          authentication: { superuser, replication: superuser, rewind: superuser },
          pg_hba: [`hostssl all all all ${SCRAM}`, `hostssl replication all all ${SCRAM}`],
          parameters: {
            unix_socket_directories: "",
            ssl: "on",
            ssl_cert_file: cert,
            ssl_key_file: file("server.key", LOCALHOST.key),
          },
        },
      }));
      await member.bootstrap();
      await said(
        member,
        `PostgreSQL is reached at localhost:${member.port} from now on (127.0.0.1:${member.port}: `,
      );
      const ssl = await newServer(member).with(
        {},
        (connection) => connection.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"),
      );
      expect(ssl).toEqual([{ ssl: "t" }]);
    }),
  STORY_MS,
);

story(
  "sockets only, in several directories, one relative to the data directory; then pg_hba.conf refuses them",
  () =>
    withSite(async (site) => {
      const second = join(site.root, "second");
      mkdirSync(second);
      const hba = (lines: string[]) => ({ postgresql: { pg_hba: lines } });
      const member = await site.member("node-1", {
        postgresql: {
          use_unix_socket: true,
          parameters: { unix_socket_directories: `../relative, "${second}"` },
        },
      }, hba([`local all all ${SCRAM}`, "host all all all reject"]));
      const relative = join(member.dataDir, "../relative");
      mkdirSync(relative, { recursive: true });
      await member.bootstrap();
      expect(member.log.lines.join("\n")).not.toContain("does not answer");
      // The one in the server's own words is gone.
      renameSync(join(relative, `.s.PGSQL.${member.port}`), join(relative, "gone"));
      const info: string[] = [];
      const server = newServer(member, info);
      expect(await outcome(server)).toBe("connected");
      expect(info[0]).toStartWith(
        `PostgreSQL is reached at ${second}:${member.port} from now on (${relative}:${member.port}: `,
      );

      // No way at all: each is named with its reason, and attempts become rare. Then an address.
      member.executor.desire({
        configuration: member.dynamic(hba(["local all all reject", "host all all all reject"])),
      });
      const text = await waitFor("the refusal", LIMIT_MS, async () => {
        const last = await outcome(server);
        return last.includes("next attempt in") ? last : null;
      });
      for (const way of [relative, second, "127.0.0.1"]) expect(text).toContain(`${way}:${member.port}: `);
      expect(text).toContain("pg_hba.conf rejects connection");
      member.executor.desire({
        configuration: member.dynamic(hba(["local all all reject", `host all all all ${SCRAM}`])),
      });
      await waitFor("a way", LIMIT_MS, async () => await outcome(server) === "connected");
      expect(info.at(-1)).toStartWith(`PostgreSQL is reached at 127.0.0.1:${member.port} from now on (`);
    }),
  STORY_MS,
);

story(
  "another server that answers at a way of ours, with our password, is not taken for our own",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1");
      await member.bootstrap();
      const dataDir = join(site.root, "other");
      mkdirSync(dataDir);
      writeFileSync(
        join(dataDir, "postmaster.pid"),
        `${process.pid}\n${dataDir}\n1\n${member.port}\n\n127.0.0.1\n\nready\n`,
      );
      expect(await outcome(newServer(member, [], dataDir))).toContain(
        `127.0.0.1:${member.port}: another server answers there`,
      );
    }),
  STORY_MS,
);

story(
  "a library that is missing shuts every session out but the agent's",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1");
      await member.bootstrap();
      const server = newServer(member);
      await server.with({}, async (own) => {
        await own.query("ALTER SYSTEM SET session_preload_libraries = 'no_such_library'");
        await own.query("ALTER ROLE postgres SET local_preload_libraries = 'none_such_either'");
        await own.query("SELECT pg_reload_conf()");
      });
      const { superuser } = member.config.postgresql!;
      const endpoint = { host: "127.0.0.1", port: member.port };
      await waitFor("the users to be shut out", LIMIT_MS, async () => {
        const options = { endpoint, credentials: superuser, database: "postgres", applicationName: "user" };
        const got = await connect(options).then((one) => one.close(), (error: Error) => error.message);
        return String(got).includes("no_such_library");
      });
      expect(await outcome(newServer(member))).toBe("connected");
    }),
  STORY_MS,
);

const causes = async (server: LocalServer) => (await lookAtServer(server))?.map(({ cause }) => cause) ?? null;

/** Sessions of superusers, until there is no place for another one. */
async function takeAllConnections(member: TestMember): Promise<pg.Client[]> {
  const taken: pg.Client[] = [];
  for (;;) {
    try {
      taken.push(await member.session());
    } catch (error) {
      expect((error as Error).message).toContain("too many clients");
      return taken;
    }
  }
}

/** The names of what a session keeps that has been asked for the status twice. */
function keptStatements(server: LocalServer): Promise<(string | null | undefined)[]> {
  return server.with({}, async (connection) => {
    for (let time = 0; time < 2; time++) {
      const [row] = await connection.queryKept("status", STATUS_QUERY);
      expect(row).toMatchObject({ in_recovery: "f", wal_timeline: "00000001" });
    }
    return (await connection.query("SELECT name FROM pg_prepared_statements")).map(({ name }) => name);
  });
}

story(
  "superusers have every connection: the agent still gets in, and says so",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1", {}, { postgresql: { parameters: { max_connections: 25 } } });
      await member.bootstrap();
      const server = newServer(member);
      expect(await causes(server)).toEqual([]);
      expect(await keptStatements(server)).toEqual(["status"]);
      const taken = await takeAllConnections(member);
      expect(await outcome(newServer(member))).toBe("connected");
      expect(await causes(server)).toEqual(["connections-exhausted"]);
      // A WAL sender keeps none, and answers all the same.
      expect(await keptStatements(server)).toEqual([]);
      // The connection of its looks is lost, and a user has its place: the looks go on.
      await taken[0]!.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'agent heartbeat'",
      );
      taken.push(...await takeAllConnections(member));
      const lostMs = member.clock.now();
      await member.until("it is looked at again", ({ lastLookMs }) => (lastLookMs ?? 0) > lostMs + 1000);
      expect(member.view.replication).toEqual([]);
      // All but those that are reserved for superusers: other users do not get in.
      for (const one of taken.splice(0, 3)) await one.end();
      await waitFor("it is said by the numbers", LIMIT_MS, async () => {
        const [symptom] = await lookAtServer(server) ?? [];
        return symptom?.detail.startsWith("22 of 25 connections are taken, and 3 are reserved") ?? false;
      });
      for (const one of taken.splice(0, 3)) await one.end();
      await waitFor("there is room again", LIMIT_MS, async () => (await causes(server))?.length === 0);
      for (const one of taken) await one.end();
    }),
  STORY_MS,
);

story(
  "a page with a wrong checksum is told, and so is a postmaster that is stopped",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1", { bootstrap: { initdb: ["data-checksums"] } });
      await member.bootstrap();
      const server = newServer(member);
      await member.sql("CREATE TABLE torn AS SELECT generate_series(1, 100) AS id");
      const [row] = await member.sql("SELECT pg_relation_filepath('torn') AS file");
      await member.must({ kind: "stop", how: "fast", checkpoint: true }, "stop");
      const file = openSync(join(member.dataDir, String(row!.file)), "r+");
      writeSync(file, new Uint8Array(16).fill(0xab), 0, 16, 4096);
      closeSync(file);
      await member.arm(2);
      await member.must({ kind: "start-primary", epoch: 2 }, "start");
      expect(await causes(server)).toEqual([]);
      await expect(member.sql("SELECT count(*) FROM torn")).rejects.toThrow("invalid page");
      await waitFor("the failure is counted", LIMIT_MS, async () => (await causes(server))?.length === 1);
      const [torn] = await lookAtServer(server) ?? [];
      expect(torn).toMatchObject({ cause: "checksum-failures", severity: "critical" });
      expect(torn!.detail).toBe("1 page with a wrong checksum in postgres");

      const { pid } = member.guard.view().postmaster!;
      process.kill(pid, "SIGSTOP");
      try {
        await waitFor(
          "it is silent",
          LIMIT_MS,
          async () => (await causes(server))?.[0] === "postmaster-hung",
        );
      } finally {
        process.kill(pid, "SIGCONT");
      }
      await waitFor("it answers", LIMIT_MS, async () => (await causes(server))?.[0] === "checksum-failures");
    }),
  STORY_MS,
);
