/** -w and -W: pictures that follow each other on a terminal, what is shown of a failure, colours. */
import { expect, test } from "bun:test";
import { ClusterAccess } from "./access.ts";
import { showsColours } from "./colour.ts";
import type { Context } from "./command.ts";
import { CtlError } from "./errors.ts";
import type { Io } from "./io.ts";
import { fit } from "./screen.ts";
import { findSettings } from "./settings.ts";
import { repeat } from "./watch.ts";

interface Fake {
  readonly context: Context;
  readonly written: string[];
}

function fake(isTerminal: boolean, environment: Io["environment"] = {}): Fake {
  const written: string[] = [];
  const io: Io = {
    out: (line) => void written.push(`${line}\n`),
    err: (line) => void written.push(`err ${line}\n`),
    ask: (text) => void written.push(text),
    readLine: () => Promise.resolve(null),
    readAll: () => Promise.resolve(""),
    readSecret: () => Promise.resolve(null),
    onKey: () => () => {},
    isTerminal,
    size: () => isTerminal ? { rows: 50, columns: 200 } : null,
    environment,
  };
  const settings = findSettings({ configFile: null, dcsUrl: "127.0.0.1:1", insecure: false }, io);
  const none = { positionals: [], flag: () => false, value: () => null, values: () => [] };
  return { written, context: { io, arguments: none, cluster: new ClusterAccess(settings, io) } };
}

/** Shows each of these in turn; a CtlError is thrown. Returns what was written, picture by picture. */
async function shown(
  { context, written }: Fake,
  pictures: readonly (string | CtlError)[],
): Promise<string[]> {
  let at = 0;
  const over = { isOver: () => at === pictures.length, ended: Promise.resolve() };
  await repeat(context, 60, ({ io }) => {
    const picture = pictures[at++]!;
    if (picture instanceof CtlError) return Promise.reject(picture);
    io.out(picture, "bad");
    return Promise.resolve();
  }, over);
  return written;
}

/** What a terminal is told at both ends of a picture is left out. */
const bare = (text: string) => text.replace("\x1b[?2026h", "").replace("\x1b[J\x1b[?2026l", "");

test("a terminal gets each picture at once, over the one before; the screen is cleared once", async () => {
  const pictures = await shown(fake(true, { NO_COLOR: "1" }), ["one\ntwo", "three"]);
  expect(pictures.map(bare)).toEqual([
    "\x1b[2J\x1b[Hone\x1b[K\ntwo\x1b[K\n",
    "\x1b[Hthree\x1b[K\n",
  ]);
});

test("a pipe gets line after line, and nothing that steers a terminal", async () => {
  expect(await shown(fake(false), ["one\ntwo", "three"])).toEqual(["one\ntwo\n", "three\n"]);
});

test("text from outside cannot steer the terminal, and colours go around a whole line", async () => {
  const [picture] = await shown(fake(true), ["a\x1b]0;b"]);
  expect(bare(picture!)).toBe("\x1b[2J\x1b[H\x1b[31ma\\u001b]0;b\x1b[0m\x1b[K\n");
});

test("a failure later on is shown above the last picture, with its time; at the first time it ends the command", async () => {
  const lost = new CtlError("nobody");
  const pictures = await shown(fake(true, { NO_COLOR: "1" }), ["one", lost, lost, "two"]);
  expect(bare(pictures[1]!)).toMatch(/^\x1b\[HError: nobody \(since \d{4}-.*\)\x1b\[K\none\x1b\[K\n$/);
  expect(pictures[2]).toBe(pictures[1]!);
  expect(bare(pictures[3]!)).toBe("\x1b[Htwo\x1b[K\n");
  expect((await shown(fake(false), ["one", lost]))[1]).toStartWith("err Error: nobody (since ");
  await expect(shown(fake(true), [lost])).rejects.toThrow("nobody");
});

test("a picture that is too high says how much of it is missing", () => {
  const lines = ["1", "2 is longer than a line", "3", "4"].map((text) => ({ text }));
  expect(fit(lines, { rows: 7, columns: 10 }).map(({ text }) => text)).toEqual(lines.map(({ text }) => text));
  expect(fit(lines, { rows: 6, columns: 10 }).map(({ text }) => text)).toEqual([
    "1",
    "2 is longer than a line",
    "... 2 more lines",
  ]);
  expect(fit(lines, null)).toEqual(lines);
});

test("colours are for terminals that have them, unless NO_COLOR is set", () => {
  expect(showsColours({ isTerminal: true, environment: { TERM: "xterm" } })).toBe(true);
  expect(showsColours({ isTerminal: true, environment: { NO_COLOR: "" } })).toBe(true);
  expect(showsColours({ isTerminal: true, environment: { NO_COLOR: "1" } })).toBe(false);
  expect(showsColours({ isTerminal: true, environment: { TERM: "dumb" } })).toBe(false);
  expect(showsColours({ isTerminal: false, environment: {} })).toBe(false);
});
