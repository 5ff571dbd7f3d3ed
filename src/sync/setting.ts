/**
 * The value of PostgreSQL's `synchronous_standby_names`: how many of which standbys acknowledge a commit.
 * Written as Patroni writes it, and read by PostgreSQL's grammar (syncrep_gram.y, syncrep_scanner.l).
 */

import { MISSING_STANDBY, NO_SYNC, type SyncSetting } from "../model/sync_setting.ts";

export { NO_SYNC, type SyncSetting } from "../model/sync_setting.ts";

const ANYBODY = "*";

/** A standby that is not known by name may acknowledge. */
export function takesAnybody({ names }: SyncSetting): boolean {
  return names.includes(ANYBODY);
}

/**
 * `quorum`: the words of quorum mode. Strict mode without a standby waits until one is there and named. With
 * `*` anybody could acknowledge meanwhile, as pg_receivewal or another cluster's standby, and no member would
 * have what was acknowledged.
 */
export function awaitMissing(quorum: boolean): SyncSetting {
  return { method: quorum ? "ANY" : "FIRST", count: 1, names: [MISSING_STANDBY] };
}

/** Nobody can acknowledge. */
export function isMissing({ names }: SyncSetting): boolean {
  return names.length === 1 && names[0] === MISSING_STANDBY;
}

/** Names in the order of their code points, so that a set has one spelling. */
export function settingFor(names: readonly string[], count: number, quorum: boolean): SyncSetting {
  if (names.length === 0 || count === 0) return NO_SYNC;
  return { method: quorum ? "ANY" : "FIRST", count, names: [...new Set(names)].sort() };
}

export function isSameSetting(one: SyncSetting, other: SyncSetting): boolean {
  return formatSetting(one) === formatSetting(other);
}

export function formatSetting({ method, count, names }: SyncSetting): string {
  if (names.length === 0) return "";
  const list = names.map((name) => name === ANYBODY ? name : `"${name.replaceAll('"', '""')}"`);
  if (method === "FIRST" && count === 1 && names.length === 1) return list[0]!;
  return `${method} ${count} (${list.join(",")})`;
}

/**
 * Longer alternatives first. Characters above ASCII are letters. A quoted name is everything up to the next
 * single quotation mark, two of which stand for one.
 */
const TOKEN =
  /[ \t\n\r\f\v]*(?:"((?:[^"]|"")*)"|([0-9]+)|([A-Za-z_\u0080-\u{10ffff}][A-Za-z0-9_$\u0080-\u{10ffff}]*)|([*(),]))/uy;

interface Token {
  readonly kind: "name" | "number" | "word" | "sign";
  readonly text: string;
}

function tokens(text: string): readonly Token[] | null {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (!/^[ \t\n\r\f\v]*$/.test(text.slice(TOKEN.lastIndex))) {
    const match = TOKEN.exec(text);
    if (match === null) return null;
    const [, quoted, number, word, sign] = match;
    if (quoted !== undefined) found.push({ kind: "name", text: quoted.replaceAll('""', '"') });
    else if (number !== undefined) found.push({ kind: "number", text: number });
    else if (word !== undefined) found.push({ kind: "word", text: word });
    else found.push({ kind: "sign", text: sign! });
  }
  return found;
}

/** null: PostgreSQL would refuse this value. */
export function parseSetting(text: string): SyncSetting | null {
  const all = tokens(text);
  if (all === null) return null;
  if (all.length === 0) return NO_SYNC;
  const list = namesOf(all);
  // A list without a number waits for its first standby.
  if (list !== null) return { method: "FIRST", count: 1, names: list };
  const [first, ...rest] = all;
  const method = first!.kind === "word" ? /^(?:first|any)$/i.exec(first!.text)?.[0].toUpperCase() : undefined;
  const [number, open, ...inner] = method === undefined ? all : rest;
  const close = inner.pop();
  if (number?.kind !== "number" || !isSign(open, "(") || !isSign(close, ")")) return null;
  const names = namesOf(inner);
  const count = Number(number.text);
  if (names === null || count < 1 || !Number.isSafeInteger(count)) return null;
  return { method: method === "ANY" ? "ANY" : "FIRST", count, names };
}

function isSign(token: Token | undefined, sign: string): boolean {
  return token?.kind === "sign" && token.text === sign;
}

/** Names between commas; null: it is no such list. */
function namesOf(list: readonly Token[]): readonly string[] | null {
  if (list.length % 2 === 0) return null;
  const fits = list.every((token, at) => at % 2 === 1 ? isSign(token, ",") : isName(token));
  return fits ? list.filter((_, at) => at % 2 === 0).map(({ text }) => text) : null;
}

/** The words FIRST and ANY are no names unless they are quoted. */
function isName({ kind, text }: Token): boolean {
  if (kind === "word") return !/^(?:first|any)$/i.test(text);
  return kind === "sign" ? text === ANYBODY : true;
}
