/**
 * Any words of a command line: read as they are written, or refused by a message on one line that names what
 * is wrong. Then what the commands make of any values that can be read.
 */
import { afterAll, expect } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { anyInput, ODD_KEYS } from "../raft/testing.ts";
import { oneLine } from "../src/lib/plain_text.ts";
import { optionsOf, readWords } from "./command_line.ts";
import { programCommands } from "./commands.ts";
import { parseArguments } from "./ctl/arguments.ts";
import type { Arguments, OptionSpec } from "./ctl/command.ts";
import { UsageError } from "./ctl/errors.ts";
import { GROUP_OPTIONS } from "./ctl/help.ts";
import { COMMANDS } from "./ctl/registry.ts";
import { installServiceCommand } from "./systemd/install_service.ts";
import { runProgram } from "./testing.ts";

interface Reader {
  readonly name: string;
  readonly options: readonly OptionSpec[];
  readonly read: (words: readonly string[]) => Arguments | null;
}

const PROGRAM = programCommands().commands.map((command): Reader => ({
  name: command.name,
  options: optionsOf(command),
  read: (words) => readWords(command, words),
}));
const CTL = await Promise.all(
  Object.entries(COMMANDS).map(async ([name, { load }]): Promise<Reader> => {
    const options = [...(await load()).options, ...GROUP_OPTIONS];
    return { name: `ctl ${name}`, options, read: (words) => parseArguments(words, options) };
  }),
);
const READERS = [...PROGRAM, ...CTL];

const ODD = [
  ...["", " ", "-", "--", "---", "=", "-=", "--=x", "'", '"', "$(id)", "%s", "\\", "~", "*", ".."],
  ...["0", "-1", "007", "1e3", "1e999", "0x10", "9".repeat(40), "NaN", "true", "false", "null"],
  ...["a\u0000b", "\u001b[2J\u001b]0;x\u0007", "\u202egnp.exe", "a\nError: no", "\ud800", "\u0085", "🐘"],
  ...["host=/nonexistent", "postgresql://[", "10.0.0.1:70000", "a,b", "ttl=", "2026-13-45T99:99"],
  ...ODD_KEYS,
];
const odd = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...ODD) },
  { weight: 3, arbitrary: fc.string({ unit: "binary", maxLength: 30 }) },
  { weight: 1, arbitrary: fc.integer({ min: 500, max: 5_000 }).map((length) => "x".repeat(length)) },
);

/** An option of the command, spelled in any way that there is, and in some that there are not. */
function spelled({ names, short = "q", value }: OptionSpec, way: number, text: string): string[] {
  const long = `--${names[0]}`;
  switch (way) {
    case 0:
      return value === undefined ? [long] : [long, text];
    case 1:
      return [`${long}=${text}`];
    case 2:
      return value === undefined ? [`-${short}`] : [`-${short}`, text];
    case 3:
      return [`-${short}${text}`];
    case 4:
      return [`--no-${names[0]}`];
    case 5:
      return [`${long}.${text}`, text];
    default:
      return [long];
  }
}

const words = (options: readonly OptionSpec[]) => {
  const option = options.length === 0
    ? odd.map((text) => [`--${text}`])
    : fc.tuple(fc.constantFrom(...options), fc.nat(6), odd).map((of) => spelled(...of));
  const any = fc.oneof(
    { weight: 4, arbitrary: option },
    { weight: 2, arbitrary: odd.map((text) => [text]) },
    {
      weight: 1,
      arbitrary: odd.map((text) => [`--${text}`, `-${text}`]),
    },
  );
  return fc.array(any, { maxLength: 5 }).map((lists) => lists.flat());
};
const line = fc.constantFrom(...READERS).chain((reader) =>
  fc.record({ reader: fc.constant(reader), words: words(reader.options) })
);

/** All that is read was written: nothing is made of a word but itself, or what stands behind its option. */
function expectWritten(given: Arguments, options: readonly OptionSpec[], words: readonly string[]): void {
  for (const text of given.positionals) expect(words).toContain(text);
  for (const { names, value } of options) {
    for (const text of value === undefined ? [] : given.values(names[0]!)) {
      expect(words.some((word) => word.endsWith(text))).toBe(true);
    }
  }
}

const MAX_MESSAGE = 700;

/** What a message quotes of the line. */
const QUOTED = /^(?:Unknown option|Option|Invalid value for) '(.+?)'(?: |$|\.|:)/s;

anyInput("the words of a command", line, ({ reader: { read, options }, words }) => {
  try {
    const given = read(words);
    if (given !== null) expectWritten(given, options, words);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const { message } = error;
    expect(message.length).toBeLessThan(MAX_MESSAGE);
    expect(oneLine(message, MAX_MESSAGE)).toBe(message);
    if (!/^(Unknown|Option|Invalid)/.test(message)) return;
    const named = QUOTED.exec(message)?.[1]?.replace(/\.\.\. \(.*$/s, "");
    const shown = words.map((word) => oneLine(word, Infinity));
    // A short option may stand in a group, and a value is quoted by the option that it belongs to.
    const isThere = named !== undefined && (shown.some((word) => word.startsWith(named)) ||
      shown.some((word) => /^-[^-]/.test(word) && word.includes(named.slice(1))) ||
      options.some(({ names }) => named === `--${names[0]}`));
    expect([message, isThere]).toEqual([message, true]);
  }
});

const directory = mkdtempSync(join(tmpdir(), "any-words-"));
afterAll(() => rmSync(directory, { recursive: true }));

const place = (name: string) => join(directory, name);
writeFileSync(place("no-raft.yml"), "scope: a\nname: b\n");
writeFileSync(place("binary"), new Uint8Array([0, 255, 128, 10, 27, 91]));
writeFileSync(place("list.yml"), "- a\n- [b, {c: &d e}]\n");
writeFileSync(place("record"), '{"version":1}\n{"a":\n');
mkdirSync(place("empty"));
const FILES = ["no-raft.yml", "binary", "list.yml", "record", "empty", "nothing.yml", "nothing/x"].map(place);

/** A file, or an odd name below the directory of this test. */
const file = fc.oneof(fc.constantFrom(...FILES), odd.map((text) => place(text.replaceAll("/", "_"))));
/** They end, and ask nobody: not `run`, `witness` and `demo`; a connection is one to a place that is not. */
const DSNS = [
  "host=/nonexistent",
  "host='",
  "postgresql://[",
  "port=99999999",
  "host=/nonexistent port=x",
  "=",
];
const CARRIED_OUT: { readonly [command: string]: fc.Arbitrary<readonly string[]> } = {
  "validate-config": fc.tuple(
    fc.subarray(["-p", "-i", "--witness"]),
    fc.array(file, { minLength: 1, maxLength: 3 }),
  )
    .map((parts) => parts.flat()),
  "generate-config": fc.tuple(fc.constantFrom(...DSNS), file).map(([dsn, one]) => ["--dsn", dsn, one]),
  "generate-sample-config": file.map((one) => [one]),
  recover: fc.tuple(file, file, odd).map(([one, also, scope]) => [
    "--force-new-cluster",
    one,
    `--also=${also}`,
    `--confirm=${scope}`,
  ]),
  replay: fc.tuple(odd, fc.array(file, { minLength: 1, maxLength: 2 })).map(([limit, files]) => [
    `--limit=${limit}`,
    ...files,
  ]),
  completion: odd.map((shell) => [shell]),
  man: odd.map((page) => [page]),
  "install-service": odd.map((user) => ["--dry-run", `--user=${user}`]),
};
const carriedOut = fc.constantFrom(...Object.keys(CARRIED_OUT)).chain((name) =>
  CARRIED_OUT[name]!.map((words) => [name, ...words])
);

anyInput(
  "a command line that is carried out",
  carriedOut,
  async (words) => {
    const { code, out, err } = await runProgram(words, { HOME: directory });
    expect([0, 1, 2]).toContain(code);
    if (code === 2) expect(err).toContain("Error: ");
    // Somebody is told why.
    if (code !== 0) expect(out + err).not.toBe("");
    for (const text of [out, err]) expect(text).not.toMatch(/^ +at .*[:(]/m);
  },
  { usual: 200, limitMs: 500 },
);

anyInput(
  "the options of a service",
  fc.record({ config: fc.option(odd), user: fc.option(odd), witness: fc.boolean(), print: fc.boolean() }),
  (options) => {
    let text = "";
    const code = installServiceCommand({
      ...options,
      dryRun: true,
      force: false,
      program: ["/usr/bin/agent"],
      write: (line) => void (text += `${line}\n`),
      writeError: (line) => void (text += `${line}\n`),
    });
    expect([0, 1, 2]).toContain(code);
    // Nothing of a name becomes a line of the unit.
    if (options.print && code === 0) {
      for (const line of text.split("\n")) expect(line).toMatch(/^($|#|\[\w+\]$|[A-Z]\w+=)/);
    }
  },
  { usual: 100, limitMs: 500 },
);
