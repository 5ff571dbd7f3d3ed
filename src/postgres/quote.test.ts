import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatPgpass } from "./pgpass.ts";
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

/** As libpq's conninfo_parse reads it. */
function parseConninfo(text: string): { [keyword: string]: string } {
  const result: { [keyword: string]: string } = {};
  const pattern = /\s*([a-z_]+)\s*=\s*(?:'((?:\\.|[^'\\])*)'|((?:\\.|[^\s\\])*))/gsy;
  for (let at = 0; at < text.length; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) throw new Error(`not a connection string from ${at}: ${text}`);
    result[match[1]!] = (match[2] ?? match[3]!).replace(/\\(.)/gs, "$1");
  }
  return result;
}

/** As libpq's passwordFromFile reads a line. */
function parsePgpass(line: string): string[] {
  const fields = [""];
  for (let i = 0; i < line.length; i++) {
    if (line[i] === "\\" && i + 1 < line.length) fields[fields.length - 1] += line[++i]!;
    else if (line[i] === ":") fields.push("");
    else fields[fields.length - 1] += line[i]!;
  }
  return fields;
}

const words = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter((text) =>
  !text.includes("\0")
);

test("whatever is put into a connection string, libpq reads the same", () => {
  fc.assert(fc.property(words, words, words, (user, passfile, name) => {
    const settings = { user, passfile, application_name: name, sslmode: "prefer" };
    expect(parseConninfo(conninfo(settings))).toEqual(settings);
  }));
});

test("whatever is put into a password file but line breaks, libpq reads the same", () => {
  const oneLine = words.filter((text) => !/[\r\n]/.test(text));
  fc.assert(fc.property(oneLine, oneLine, (username, password) => {
    const text = formatPgpass([{ host: "::1", port: "5432", username, password }]);
    expect(text.split("\n")).toHaveLength(2);
    expect(parsePgpass(text.slice(0, -1))).toEqual(["::1", "5432", "*", username, password]);
  }));
});

test("whatever is put into postgresql.conf stays one line and is read the same", () => {
  fc.assert(fc.property(words, (value) => {
    expect(quoteConf(value)).not.toMatch(/[\r\n]/);
    expect(unquoteConf(quoteConf(value))).toBe(value);
  }));
});
