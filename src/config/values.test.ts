/** Every key of the local file with every kind of text that somebody can type, and with nothing at all. */
import { expect, test } from "bun:test";
import { parse as parseYaml } from "yaml";
import * as z from "zod";
import type { LocalConfig } from "../model/config.ts";
import { postgresqlSchema } from "./keys/postgresql.ts";
import { localSchema } from "./keys/root.ts";
import { watchdogSchema } from "./keys/watchdog.ts";
import { MINIMAL, parse } from "./testing.ts";
import type { Json, JsonObject } from "../model/json.ts";

type Key = readonly string[];

function keysOf(schema: unknown, path: Key): Key[] {
  if (schema instanceof z.ZodOptional) return keysOf(schema.unwrap(), path);
  if (!(schema instanceof z.ZodObject)) return [path];
  return Object.entries(schema.shape).flatMap(([key, inner]) => keysOf(inner, [...path, key]));
}

const KEYS: readonly Key[] = [
  ...keysOf(localSchema, []),
  ...keysOf(postgresqlSchema, ["postgresql"]),
  ...keysOf(watchdogSchema, ["watchdog"]),
  ...["zone", "replicatefrom", "nofailover", "failover_priority"].map((key) => ["tags", key]),
  ["ttl"],
];
/** Kept as written, and escaped wherever they are shown; judged in dynamic_validate.test.ts. */
const ELSEWHERE = ["log.static_fields", "bootstrap.dcs"];
const dotted = (key: Key) => key.join(".");

/** What a key needs beside it to be judged at all. */
const COMPANY: { readonly [key: string]: JsonObject } = {
  "restapi.authentication.username": { password: "p" },
  "restapi.authentication.password": { username: "u" },
  "ctl.authentication.username": { password: "p" },
  "ctl.authentication.password": { username: "u" },
  "raft.tls.certfile": { keyfile: "/k", cafile: "/c" },
  "raft.tls.keyfile": { certfile: "/k", cafile: "/c" },
  "raft.tls.cafile": { certfile: "/k", keyfile: "/c" },
};

function fileWith(key: Key, value: Json | undefined): JsonObject {
  const root = parseYaml(MINIMAL) as JsonObject;
  let section = root;
  for (const part of key.slice(0, -1)) section = (section[part] ??= {}) as JsonObject;
  Object.assign(section, COMPANY[dotted(key)] ?? {});
  if (value === undefined) delete section[key.at(-1)!];
  else section[key.at(-1)!] = value;
  return root;
}

const parsedWith = (key: Key, value: Json | undefined) => parse(JSON.stringify(fileWith(key, value)));

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => [key, ...textsIn(item)]);
}

/** In use; what has no effect may be anything. */
function usedTexts(config: LocalConfig): string[] {
  const { file: _file, ...rest } = config;
  const raw = config.postgresql?.raw ?? {};
  const used = ["parameters", "parameters_primary", "parameters_replica", "recovery_conf", "krbsrvname"].map((
    key,
  ) => raw[key]);
  return textsIn([{ ...rest, postgresql: { ...config.postgresql, raw: used } }]);
}

/** Where a line break is one: lines of files, arguments of a command. */
const MAY_HAVE_LINES =
  /^(bootstrap\.(post_|pg_hba|users)|postgresql\.(callbacks|pre_|before_|pg_|parameters|recovery))/;
/** And where a sign that is none on a terminal does no harm. */
const MAY_HAVE_SIGNS = /password$|\.auth$/;

const FORMS = (text: string): Json[] => [text, [text], { a: text }, { [text]: "on" }, [{ a: text }]];
const HARMFUL: readonly [name: string, form: RegExp, texts: readonly string[], spared: RegExp | null][] = [
  ["NUL", /\u0000/, ["a\u0000b"], null],
  ["half a character", /[\ud800-\udfff]/u, ["a\ud800"], null],
  ["line ends", /[\r\n]/, ["a\rb", "ab\n"], MAY_HAVE_LINES],
  ["signs of a terminal", /[\u001b\u007f]/, ["a\u001b[31mb", "a\u007f"], MAY_HAVE_SIGNS],
];

for (const [name, form, texts, spared] of HARMFUL) {
  test(`${name}: refused, or not used, whatever the key is`, () => {
    for (const key of KEYS) {
      if (
        ELSEWHERE.includes(dotted(key)) || spared?.test(dotted(key)) ||
        (form.source.includes("u001b") && MAY_HAVE_LINES.test(dotted(key)))
      ) {
        continue;
      }
      for (const value of texts.flatMap(FORMS)) {
        const { config, issues } = parsedWith(key, value);
        const found = config === null ? [] : usedTexts(config).filter((text) => form.test(text));
        expect([dotted(key), value, found]).toEqual([dotted(key), value, []]);
        expect(config !== null || issues.some(({ severity }) => severity === "error")).toBe(true);
      }
    }
  }, 60_000);
}

test("a key that is there and empty counts as left out, or is an error or a warning that names it", () => {
  const shown = (config: LocalConfig | null) =>
    config === null ? null : { ...config, postgresql: { ...config.postgresql!, raw: {} } };
  for (const key of KEYS) {
    const without = parsedWith(key, undefined);
    for (const empty of [null, "", [], {}] as Json[]) {
      const { config, issues } = parsedWith(key, empty);
      const said = issues.some(({ path }) => dotted(key).startsWith(path) || path.startsWith(dotted(key)));
      // An empty tag is a tag.
      if (said || without.config === null || key[0] === "tags") continue;
      expect([dotted(key), empty, shown(config)]).toEqual([dotted(key), empty, shown(without.config)]);
    }
  }
}, 60_000);

test("an address that others are to use leads somewhere from there", () => {
  for (
    const key of [["restapi", "connect_address"], ["postgresql", "connect_address"], [
      "postgresql",
      "proxy_address",
    ]]
  ) {
    const errors = (value: string) =>
      parsedWith(key, value).issues.filter(({ severity }) => severity === "error").map(({ path }) => path);
    for (
      const wrong of ["*:5432", "0.0.0.0:5432", "[::]:5432", "[fe80::1%eth0]:5432", "[fe80::1%a b]:5432"]
    ) {
      expect([wrong, errors(wrong)]).toEqual([wrong, [dotted(key)]]);
    }
    for (const fine of ["10.0.0.1:5432", "db-1.example.:5432", "[2001:db8::1]:5432"]) {
      expect(errors(fine)).toEqual([]);
    }
  }
});
