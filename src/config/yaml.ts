/**
 * One YAML (or JSON) text as plain data with the line of every value. Reads YAML 1.1, as the files were
 * written for it: `on` is a boolean, 0644 octal. Never throws, never quotes the text in a message: it may
 * hold passwords.
 */
import { isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, parseDocument } from "yaml";
import type { ErrorCode, Node, Scalar, ScalarTag, Tags, YAMLMap } from "yaml";
import { Issues, pathKey } from "./issues.ts";
import { isSecretKey, refuseEmptySecrets } from "./secret.ts";
import type { Location, Locations, Path } from "./issues.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { isJsonObject } from "../model/merge.ts";

export interface ParsedYaml {
  /** null when the text is no map. */
  readonly value: JsonObject | null;
  readonly locations: Locations;
  readonly issues: Issues;
}

/** A real configuration needs a hundredth of these. They bound time and memory, whatever the text is. */
const MAX_NODES = 10_000;
const MAX_DEPTH = 64;
export const MAX_YAML_BYTES = 256 * 1024;
export const YAML_TOO_LARGE = `the file is larger than ${
  MAX_YAML_BYTES / 1024
} KiB: this is no configuration`;
/** How the files of a configuration are read. A character has at most 4 bytes. */
export const YAML_FILES = { names: /\.ya?ml$/, maxBytes: 4 * MAX_YAML_BYTES, tooLarge: YAML_TOO_LARGE };
/** Pieces that the text falls into: keys, values, signs, gaps and line ends. */
const MAX_PIECES = 50_000;
/** The lexer gives back at most two pieces for a character: the sign that text begins, and the text. */
const SURELY_FEW = MAX_PIECES / 4;

export function parseYaml(file: string, text: string): ParsedYaml {
  const locations: Locations = new Map();
  const issues = new Issues(locations);
  const failed = { value: null, locations, issues };
  const tooLarge = sizeProblem(text);
  if (tooLarge !== null) {
    issues.at("error", { file, line: null }, tooLarge);
    return failed;
  }
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: "1.1",
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: "error",
    customTags: configurationTags,
  });
  const placeOf = (position: number): Location => {
    const { line, col } = lines.linePos(position);
    return { file, line, column: col };
  };
  for (const error of document.errors) issues.at("error", placeOf(error.pos[0]), syntaxMessage(error));
  for (const warning of document.warnings) {
    issues.at("warning", placeOf(warning.pos[0]), syntaxMessage(warning));
  }
  if (issues.hasErrors) return failed;
  const reader = new Reader(text, file, placeOf, locations, issues);
  const value = reader.readAll(document.contents);
  if (value !== null && !issues.hasErrors) refuseEmptySecrets(value, [], issues);
  if (issues.hasErrors) return failed;
  if (value === null) return { value: {}, locations, issues };
  if (!isJsonObject(value)) {
    const kind = Array.isArray(value) ? "a list" : "plain text";
    issues.at("error", { file, line: 1 }, `expected a map of keys ("name: value" on each line), got ${kind}`);
    return failed;
  }
  return { value, locations, issues };
}

function sizeProblem(text: string): string | null {
  if (text.length > MAX_YAML_BYTES) return YAML_TOO_LARGE;
  if (text.length < SURELY_FEW) return null;
  let pieces = 0;
  // The lexer goes through the text once and keeps nothing; the parser would keep an object for each piece.
  for (const _piece of new Lexer().lex(text)) {
    if (++pieces > MAX_PIECES) return `the file has more than ${MAX_PIECES} parts: this is no configuration`;
  }
  return null;
}

/** Keys whose value is text whatever it looks like: `password: 0123` is no octal number. */
const TEXT_KEYS = new Set([
  "password",
  "username",
  "name",
  "scope",
  "namespace",
  "keyfile_password",
  "sslpassword",
]);

class Reader {
  #nodes = 0;
  #gaveUp = false;
  /** The last node with each anchor so far, in the order of the text. */
  readonly #anchors = new Map<string, Node>();
  /** Anchors that an alias has named. */
  readonly #named = new Set<string>();
  readonly #anchoredSecrets: { readonly anchor: string; readonly path: Path }[] = [];
  #insideAlias = 0;

  readonly #text: string;
  readonly #file: string;
  readonly #placeOf: (position: number) => Location;
  readonly #locations: Locations;
  readonly #issues: Issues;

  constructor(
    text: string,
    file: string,
    placeOf: (position: number) => Location,
    locations: Locations,
    issues: Issues,
  ) {
    this.#text = text;
    this.#file = file;
    this.#placeOf = placeOf;
    this.#locations = locations;
    this.#issues = issues;
  }

  readAll(node: unknown): Json {
    const value = this.read(node, [], 0);
    for (const { anchor, path } of this.#anchoredSecrets) {
      if (this.#named.has(anchor)) continue;
      this.#issues.error(
        path,
        "begins with &, which YAML takes for an anchor: put the value in single quotes",
      );
    }
    return value;
  }

  read(node: unknown, path: Path, depth: number): Json {
    if (this.#gaveUp) return null;
    if (++this.#nodes > MAX_NODES || depth > MAX_DEPTH) return this.#giveUp(node);
    this.#locate(node, path);
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target) return this.#readAlias(node.source, target, path, depth + 1);
      this.#problem(node, "an alias (*name) names an anchor (&name) that is not defined above it");
      return null;
    }
    this.#noteAnchor(node);
    if (isMap(node)) return this.#map(node, path, depth);
    if (isSeq(node)) return node.items.map((item, i) => this.read(item, [...path, i], depth + 1));
    if (isScalar(node)) {
      if (isSecretKey(path.at(-1))) this.#checkSecret(node, path);
      return this.#scalar(node.value, node.source, path);
    }
    return null;
  }

  /** An alias is looked up here: the library goes through the whole text for each one. */
  #readAlias(anchor: string, target: Node, path: Path, depth: number): Json {
    this.#named.add(anchor);
    this.#insideAlias++;
    const value = this.read(target, path, depth);
    this.#insideAlias--;
    return value;
  }

  #noteAnchor(node: unknown): void {
    const anchor = (node as { readonly anchor?: string } | null)?.anchor;
    if (anchor !== undefined && this.#insideAlias === 0) this.#anchors.set(anchor, node as Node);
  }

  /**
   * Characters with a meaning in YAML that were meant as a part of the secret. An empty one is found by
   * secret.ts.
   */
  #checkSecret(node: Scalar, path: Path): void {
    if (node.tag !== undefined && node.tag !== "tag:yaml.org,2002:str") {
      this.#issues.error(path, "begins with !, which YAML takes for a tag: put the value in single quotes");
    } else if (node.anchor !== undefined) this.#anchoredSecrets.push({ anchor: node.anchor, path });
    else if (node.range && /^[ \t]#[^ \t\r\n#]/.test(this.#text.slice(node.range[1], node.range[1] + 3))) {
      this.#issues.warning(
        path,
        "ends where a # begins a comment: put the value in single quotes if that belongs to it",
      );
    }
  }

  #map(node: YAMLMap, path: Path, depth: number): JsonObject {
    const result: JsonObject = {};
    const merged: JsonObject[] = [];
    for (const pair of node.items) {
      if (this.#gaveUp) return result;
      const keyNode: unknown = pair.key;
      const rawKey = isScalar(keyNode) ? keyNode.value : undefined;
      if (typeof rawKey === "symbol") {
        merged.push(...this.#mergeSources(pair.value, path, depth));
        continue;
      }
      const key = isScalar(keyNode) ? keyText(keyNode.value, keyNode.source) : null;
      if (key === null || key === "__proto__") {
        this.#problem(keyNode, "a key must be plain text");
        continue;
      }
      const keyPath = [...path, key];
      if (Object.hasOwn(result, key)) {
        this.#locate(keyNode, keyPath);
        this.#issues.warning(keyPath, "the key is there twice in this section: the last one counts");
      }
      result[key] = this.read(pair.value, keyPath, depth + 1);
      this.#locate(keyNode, keyPath);
    }
    // Keys of the map itself win over merged ones, an earlier merged map over a later one.
    for (const source of merged) {
      for (const [key, value] of Object.entries(source)) if (!Object.hasOwn(result, key)) result[key] = value;
    }
    return result;
  }

  #mergeSources(node: unknown, path: Path, depth: number): JsonObject[] {
    const value = this.read(node, [...path, "<<"], depth + 1);
    const sources = Array.isArray(value) ? value : [value];
    if (sources.every(isJsonObject)) return sources;
    this.#problem(node, "only a map (or a list of maps) can be merged with <<");
    return [];
  }

  #scalar(value: unknown, source: string | undefined, path: Path): Json {
    const textKey = TEXT_KEYS.has(String(path.at(-1)));
    if (typeof value === "number" || typeof value === "boolean") {
      if (textKey && source !== undefined && source !== String(value)) {
        this.#issues.warning(path, "taken as the text that is written there: put it in quotes to say so");
        return source;
      }
      if (typeof value === "number" && !Number.isFinite(value)) return source ?? null;
      return value;
    }
    if (typeof value !== "string") return null;
    if (value.includes("\u0000")) {
      this.#issues.error(path, "holds a NUL character, which no text of PostgreSQL can");
    }
    return value;
  }

  #locate(node: unknown, path: Path): void {
    const range = (node as Node | null | undefined)?.range;
    if (range) this.#locations.set(pathKey(path), this.#placeOf(range[0]));
  }

  #problem(node: unknown, message: string): void {
    const range = (node as Node | null | undefined)?.range;
    this.#issues.at("error", range ? this.#placeOf(range[0]) : { file: this.#file, line: null }, message);
  }

  #giveUp(node: unknown): null {
    if (!this.#gaveUp) {
      this.#problem(node, "too many or too deeply nested values: is an alias (*name) part of itself?");
    }
    this.#gaveUp = true;
    return null;
  }
}

/** `on: x` and `5: x` have the keys "on" and "5". */
function keyText(value: unknown, source: string | undefined): string | null {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return source ?? String(value);
  return null;
}

/**
 * YAML 1.1 as Python's reader takes it: y and n are text, and there are no clock times, dates, sets and
 * bytes, which would make numbers of `10:30` and objects of `2026-01-01`.
 */
function configurationTags(tags: Tags): Tags {
  const kept = tags.filter((tag) => {
    if (typeof tag === "string") return true;
    const name = tag.tag.replace("tag:yaml.org,2002:", "");
    if (["bool", "binary", "omap", "pairs", "set", "timestamp"].includes(name)) return false;
    return !("format" in tag && tag.format === "TIME");
  });
  return [
    bool(true, /^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/),
    bool(false, /^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/),
    ...kept,
  ];
}

function bool(value: boolean, test: RegExp): ScalarTag {
  return {
    identify: (v) => v === value,
    default: true,
    tag: "tag:yaml.org,2002:bool",
    test,
    resolve: () => value,
  };
}

function syntaxMessage({ code, message }: { readonly code: ErrorCode; readonly message: string }): string {
  switch (code) {
    case "TAB_AS_INDENT":
      return "a tab at the beginning of a line: YAML is indented by spaces";
    case "BAD_INDENT":
      // The library has one code for both.
      if (message.startsWith("Flow ")) {
        return "a bracket that was opened above, [ or {, is not closed, or its content is not indented";
      }
      return "the indentation does not fit the lines above";
    case "BLOCK_AS_IMPLICIT_KEY":
    case "MULTILINE_IMPLICIT_KEY":
      return "a second ': ' in one value, or a line indented more than its section: quote the value or fix the indentation";
    case "MISSING_CHAR":
      return "something that was opened is not closed, or a ':' is missing (quotes, brackets, key without colon)";
    case "BAD_SCALAR_START":
      return "a value begins with a character that YAML reserves (@ ` %): put the value in quotes";
    case "MULTIPLE_DOCS":
      return "more than one document in the file (a second '---')";
    case "BAD_DQ_ESCAPE":
      return "an escape (\\x) inside double quotes that YAML does not know: use single quotes";
    case "TAG_RESOLVE_FAILED":
      return "a tag (!name) that has no meaning here: the value is taken as it stands";
    default:
      return `this is not valid YAML (${code.toLowerCase().replaceAll("_", " ")})`;
  }
}
