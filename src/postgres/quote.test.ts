import { expect, test } from "bun:test";
import { conninfo, quoteConf, quoteIdentifier, quoteLiteral, quotePgpass, unquoteConf } from "./quote.ts";

test("identifiers and literals survive quotes and backslashes", () => {
  expect(quoteIdentifier('a"b')).toBe('"a""b"');
  expect(quoteLiteral("it's")).toBe("'it''s'");
  expect(quoteLiteral("a\\'b")).toBe(" E'a\\\\''b'");
});

test("values of postgresql.conf come back as they were", () => {
  for (const value of ["", "plain", "it's", "back\\slash", "two\nlines", "\\'", "cp \"%p\" '/x/%f'"]) {
    const quoted = quoteConf(value);
    expect(quoted).not.toContain("\n");
    expect(unquoteConf(quoted)).toBe(value);
  }
});

test("a connection string quotes what libpq would split, and leaves out what is empty", () => {
  expect(conninfo({ user: "o'neil", host: "10.0.0.1", port: 5432, sslmode: null, dbname: "" }))
    .toBe("user='o\\'neil' host=10.0.0.1 port=5432");
  expect(conninfo({ passfile: "/with space/pg\\pass" })).toBe("passfile='/with space/pg\\\\pass'");
});

test("a colon in a password stays inside of its field", () => {
  expect(quotePgpass("a:b\\c")).toBe("a\\:b\\\\c");
});

test("a NUL is refused rather than cut off", () => {
  expect(() => quoteLiteral("a\0b")).toThrow("NUL");
});
