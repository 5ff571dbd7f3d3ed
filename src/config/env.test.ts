import { expect, test } from "bun:test";
import { ENVIRONMENT, readEnvironment } from "./env.ts";
import { formatIssue } from "./issues.ts";
import { parseConfig } from "./parse.ts";
import { MINIMAL, parse, parsedConfig } from "./testing.ts";

test("a variable wins over the file", () => {
  const config = parsedConfig(MINIMAL, {
    PATRONI_NAME: "node9",
    PATRONI_SCOPE: "other",
    PATRONI_NAMESPACE: "/db",
    PATRONI_POSTGRESQL_LISTEN: "127.0.0.1:6000",
    PATRONI_POSTGRESQL_DATA_DIR: "/other/data",
    PATRONI_POSTGRESQL_BIN_POSTGRES: "postgres-17",
    PATRONI_SUPERUSER_PASSWORD: "0123",
    PATRONI_REPLICATION_SSLMODE: "require",
    PATRONI_REWIND_USERNAME: "rw",
    PATRONI_RAFT_SELF_ADDR: "127.0.0.1:1",
    PATRONI_RAFT_PARTNER_ADDRS: "127.0.0.1:2,'127.0.0.1:3'",
    PATRONI_RAFT_PASSWORD: "secret",
    PATRONI_RESTAPI_USERNAME: "u",
    PATRONI_RESTAPI_PASSWORD: "p",
    PATRONI_RESTAPI_ALLOWLIST: "10.0.0.0/8, 127.0.0.1",
    PATRONI_RESTAPI_ALLOWLIST_INCLUDE_MEMBERS: "true",
    PATRONI_RESTAPI_HTTP_EXTRA_HEADERS: "X-A: 1, X-B: two",
    PATRONI_CTL_INSECURE: "on",
    PATRONI_LOG_LEVEL: "debug",
    PATRONI_LOG_MODE: "0640",
  });
  expect(config).toMatchObject({
    name: "node9",
    scope: "other",
    namespace: "/db",
    postgresql: {
      port: 6000,
      dataDir: "/other/data",
      binName: { postgres: "postgres-17" },
      superuser: { username: "postgres", password: "0123" },
      replication: { options: { sslmode: "require" } },
      rewind: { username: "rw" },
    },
    raft: { selfAddr: "127.0.0.1:1", partnerAddrs: ["127.0.0.1:2", "127.0.0.1:3"], password: "secret" },
    restapi: {
      authentication: { username: "u", password: "p" },
      allowlist: ["10.0.0.0/8", "127.0.0.1"],
      allowlistIncludeMembers: true,
      httpExtraHeaders: { "X-A": "1", "X-B": "two" },
    },
    ctl: { insecure: true, authentication: { username: "u", password: "p" } },
    log: { level: "DEBUG", mode: 0o640 },
  });
});

test("a format of the log is a text with places, or a list of fields", () => {
  const format = (value: string, type = "json") => {
    const { log } = parsedConfig(MINIMAL, { PATRONI_LOG_TYPE: type, PATRONI_LOG_FORMAT: value });
    return type === "json" ? log.jsonFields : log.format;
  };
  const fields = [{ field: "message", name: "message" }, { field: "levelname", name: "level" }];
  expect(format('["message", {"levelname": "level"}]')).toEqual(fields);
  expect(format("message, {levelname: level}")).toEqual(fields);
  expect(format("- message\n- levelname: level")).toEqual(fields);
  expect(format("%(message)s")).toEqual([{ field: "message", name: "message" }]);
  expect(format("%(levelname)s [%(message)s]", "plain")).toBe("%(levelname)s [%(message)s]");
});

test("lists in every form", () => {
  const partners = (value: string) =>
    parsedConfig(MINIMAL, { PATRONI_RAFT_PARTNER_ADDRS: value }).raft.partnerAddrs;
  const both = ["127.0.0.1:2", "127.0.0.1:3"];
  expect(partners("127.0.0.1:2,127.0.0.1:3")).toEqual(both);
  expect(partners("[127.0.0.1:2, 127.0.0.1:3]")).toEqual(both);
  expect(partners("- 127.0.0.1:2\n- 127.0.0.1:3")).toEqual(both);
  expect(partners("[::1]:2, [::1]:3")).toEqual(["[::1]:2", "[::1]:3"]);
});

test("an empty variable counts as unset, a present name wins over the old one", () => {
  expect(parsedConfig(MINIMAL, { PATRONI_NAME: "" }).name).toBe("node1");
  expect(parsedConfig(MINIMAL, { PATRONI_LOGLEVEL: "ERROR" }).log.level).toBe("ERROR");
  expect(parsedConfig(MINIMAL, { PATRONI_LOGLEVEL: "ERROR", PATRONI_LOG_LEVEL: "DEBUG" }).log.level).toBe(
    "DEBUG",
  );
});

test("an issue names the variable, and no password", () => {
  const { issues } = parse(MINIMAL, {
    PATRONI_POSTGRESQL_LISTEN: "127.0.0.1:x",
    PATRONI_LOG_STATIC_FIELDS: "a: [hunter2",
    PATRONI_RESTAPI_PASSWORD: "hunter2",
  });
  expect(issues.map(formatIssue)).toEqual([
    "environment PATRONI_LOG_STATIC_FIELDS: error: expected a map in YAML, like {key: value, other: value}",
  ]);
  const more =
    parse(MINIMAL, { PATRONI_POSTGRESQL_LISTEN: "127.0.0.1:x", PATRONI_RESTAPI_PASSWORD: "hunter2" }).issues;
  expect(more.map(formatIssue)).toEqual([
    "a.yml:7:1: error: restapi.authentication: username and password go together: one of the two is missing or empty",
    'environment PATRONI_POSTGRESQL_LISTEN: error: postgresql.listen: expected text like host:port, got text "127.0.0.1:x"',
  ]);
});

test("PATRONI_CONFIGURATION counts only without a file, and then no other variable does", () => {
  const whole = parseConfig([], { PATRONI_CONFIGURATION: MINIMAL, PATRONI_NAME: "node9" });
  expect(whole.config).toMatchObject({ name: "node1", file: "PATRONI_CONFIGURATION" });
  const beside = parse(MINIMAL, { PATRONI_CONFIGURATION: "name: x", PATRONI_NAME: "node9" });
  expect(beside.config?.name).toBe("node9");
});

test("variables alone are a configuration", () => {
  const { config } = parseConfig([], {
    PATRONI_SCOPE: "main",
    PATRONI_NAME: "n",
    PATRONI_RAFT_SELF_ADDR: "127.0.0.1:1",
    PATRONI_RAFT_DATA_DIR: "/r",
    PATRONI_RESTAPI_LISTEN: "127.0.0.1:8008",
    PATRONI_POSTGRESQL_LISTEN: "127.0.0.1:5432",
    PATRONI_POSTGRESQL_DATA_DIR: "/d",
  });
  expect(config).toMatchObject({ name: "n", file: "PATRONI_CONFIGURATION" });
});

test("neither a file nor variables is said so", () => {
  expect(parseConfig([], {}).issues.map((issue) => issue.message)).toEqual([
    "no configuration: name a file, or set PATRONI_CONFIGURATION",
  ]);
});

/** docs/compatibility.md section 3.6, spelled out. */
const NAMES = `NAME NAMESPACE SCOPE THREAD_POOL_SIZE THREAD_STACK_SIZE
LOG_TYPE LOG_LEVEL LOG_TRACEBACK_LEVEL LOG_FORMAT LOG_DATEFORMAT LOG_STATIC_FIELDS LOG_MAX_QUEUE_SIZE LOG_DIR LOG_MODE
LOG_FILE_SIZE LOG_FILE_NUM LOG_LOGGERS LOG_DEDUPLICATE_HEARTBEAT_LOGS LOGLEVEL LOGFORMAT LOG_DATEFMT
RESTAPI_LISTEN RESTAPI_CONNECT_ADDRESS RESTAPI_USERNAME RESTAPI_PASSWORD RESTAPI_CERTFILE RESTAPI_KEYFILE
RESTAPI_KEYFILE_PASSWORD RESTAPI_CAFILE RESTAPI_CIPHERS RESTAPI_VERIFY_CLIENT RESTAPI_HTTP_EXTRA_HEADERS
RESTAPI_HTTPS_EXTRA_HEADERS RESTAPI_ALLOWLIST RESTAPI_ALLOWLIST_INCLUDE_MEMBERS RESTAPI_REQUEST_QUEUE_SIZE
RESTAPI_SERVER_TOKENS
CTL_USERNAME CTL_PASSWORD CTL_INSECURE CTL_CACERT CTL_CERTFILE CTL_KEYFILE CTL_KEYFILE_PASSWORD
POSTGRESQL_LISTEN POSTGRESQL_CONNECT_ADDRESS POSTGRESQL_PROXY_ADDRESS POSTGRESQL_CONFIG_DIR POSTGRESQL_DATA_DIR
POSTGRESQL_PGPASS POSTGRESQL_BIN_DIR POSTGRESQL_BIN_PG_CTL POSTGRESQL_BIN_INITDB POSTGRESQL_BIN_PG_CONTROLDATA
POSTGRESQL_BIN_PG_BASEBACKUP POSTGRESQL_BIN_POSTGRES POSTGRESQL_BIN_PG_ISREADY POSTGRESQL_BIN_PG_REWIND
RAFT_SELF_ADDR RAFT_BIND_ADDR RAFT_PARTNER_ADDRS RAFT_DATA_DIR RAFT_PASSWORD`.split(/\s+/);
const CREDENTIAL_NAMES =
  "USERNAME PASSWORD SSLMODE SSLKEY SSLPASSWORD SSLCERT SSLROOTCERT SSLCRL SSLCRLDIR SSLNEGOTIATION GSSENCMODE CHANNEL_BINDING"
    .split(" ");

test("every name is there", () => {
  const known = new Set(ENVIRONMENT.map((variable) => variable.name));
  const roles = ["SUPERUSER", "REPLICATION", "REWIND"];
  const wanted = [...NAMES, ...roles.flatMap((role) => CREDENTIAL_NAMES.map((name) => `${role}_${name}`))];
  expect(wanted.filter((name) => !known.has(`PATRONI_${name}`))).toEqual([]);
});

test("a variable that is not known is a warning, and one that is no UTF-8 an error", () => {
  const { issues, value } = readEnvironment({
    PATRONI_NAME: "n",
    PATRONI_RAFT_PASWORD: "a slip",
    PATRONI_ETCD3_HOSTS: "10.0.0.1:2379",
    PATRONI_RAFT_PASSWORD: "a\ufffdb",
    PATRONI_CONFIGURATION: "name: m",
    PATH: "/bin",
  });
  expect(value).toEqual({ name: "n" });
  expect(issues.list.map(({ severity, file, message }) => [severity, file, message])).toEqual([
    [
      "error",
      "environment PATRONI_RAFT_PASSWORD",
      "holds bytes that are no UTF-8, and would be read as another text",
    ],
    [
      "warning",
      "environment PATRONI_CONFIGURATION",
      "counts only where no file is named, and has no effect",
    ],
    ["warning", "environment PATRONI_ETCD3_HOSTS", "is not known, and has no effect"],
    ["warning", "environment PATRONI_RAFT_PASWORD", "is not known, and has no effect"],
  ]);
});

test("variables beside a whole configuration are named as without effect", () => {
  const { issues } = parseConfig([], { PATRONI_CONFIGURATION: "name: n", PATRONI_NAME: "m" });
  expect(issues.filter(({ file }) => file === "environment PATRONI_NAME").map(({ message }) => message))
    .toEqual([
      "has no effect beside PATRONI_CONFIGURATION",
    ]);
});
