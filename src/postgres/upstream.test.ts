import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatPgpass } from "./pgpass.ts";
import { parseConnUrl, upstreamConninfo } from "./upstream.ts";

test("addresses are read from connection URLs, several hosts and IPv6 included", () => {
  expect(parseConnUrl("postgres://10.0.0.1:5433/postgres")).toEqual({
    host: "10.0.0.1",
    port: "5433",
    database: "postgres",
  });
  expect(parseConnUrl("postgresql://u:p@a,b:6/x?k=v")).toEqual({
    host: "a,b",
    port: "5432,6",
    database: "x",
  });
  expect(parseConnUrl("postgres://[fd00::1]:5432")).toEqual({
    host: "fd00::1",
    port: "5432",
    database: "postgres",
  });
  expect(parseConnUrl("http://10.0.0.1")).toBeNull();
});

test("a connection string names file and member, never the password, and ends no copy early", () => {
  const text = upstreamConninfo({
    upstream: { name: "node-1", connUrl: "postgres://10.0.0.1:5432/postgres" },
    credentials: {
      username: "rep",
      password: "secret",
      options: {
        sslmode: "verify-ca",
        sslrootcert: "/ca",
        channel_binding: "require",
        sslnegotiation: "direct",
      },
    },
    passfile: "/p/pgpass",
    applicationName: "node-2",
    major: 13,
    database: null,
  });
  expect(text).toBe(
    "user=rep passfile=/p/pgpass host=10.0.0.1 port=5432 application_name=node-2 " +
      "sslmode=verify-ca sslrootcert=/ca channel_binding=require",
  );
});

test("the password file has one line a server and user, for every database", () => {
  expect(formatPgpass([{ host: "fd00::1", port: "5432", username: "rep", password: "a:b" }]))
    .toBe("fd00\\:\\:1:5432:*:rep:a\\:b\n");
});

test("any text is a connection URL or none", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: "binary" }).map((rest) => `postgres://h:1/${rest}`),
  );
  fc.assert(fc.property(text, (url) => {
    const address = parseConnUrl(url);
    expect(address === null || typeof address.database === "string").toBe(true);
  }));
  expect(parseConnUrl("postgres://h:1/%zz")).toBeNull();
  expect(parseConnUrl("postgres://h:1/a%20b")?.database).toBe("a b");
});
