/**
 * Where a configuration comes from: one file, the *.yml and *.yaml of a directory, PATRONI_* variables. The
 * only place that reads them; what they mean is decided in src/config/parse.ts. Prints nothing.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { WHOLE_CONFIGURATION } from "../src/config/env.ts";
import type { LocatedIssue } from "../src/config/issues.ts";
import type { ConfigSource, Environment } from "../src/config/layers.ts";
import { MAX_YAML_BYTES, YAML_TOO_LARGE } from "../src/config/yaml.ts";
import { parseConfig } from "../src/config/parse.ts";
import type { ParsedConfig } from "../src/config/parse.ts";

export interface LoadOptions {
  /** null: PATRONI_CONFIGURATION and the other variables alone. */
  readonly path: string | null;
  readonly environment: Environment;
  readonly witness?: boolean;
}

/**
 * Takes PATRONI_* out of the process's environment, where children (PostgreSQL, callbacks, scripts) would
 * inherit the passwords. Call it once at start and keep the result: a reload reads the file again, the
 * variables it cannot.
 */
export function captureEnvironment(environment: NodeJS.ProcessEnv = process.env): Environment {
  const captured: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined) continue;
    if (name === "HOME") captured[name] = value;
    if (!name.startsWith("PATRONI_")) continue;
    captured[name] = value;
    delete environment[name];
  }
  return captured;
}

/** Reads and parses. What cannot be read is an issue like any other; the configuration is null then. */
export function loadConfig({ path, environment, witness }: LoadOptions): ParsedConfig {
  const cwd = process.cwd();
  if (path === null) return parseConfig([], environment, { cwd, path: WHOLE_CONFIGURATION, witness });
  const absolute = resolve(path);
  const { sources, issue } = readSources(absolute);
  if (issue) {
    return { config: null, issues: [issue], mergedYaml: {}, missingRaft: null, locations: new Map() };
  }
  return parseConfig(sources, environment, { cwd, path: absolute, witness });
}

/** The files behind a path, in the order in which later ones win. */
export function readSources(path: string): { sources: ConfigSource[]; issue: LocatedIssue | null } {
  const problem = (message: string) => ({
    sources: [],
    issue: { severity: "error", path: "", file: path, line: null, message } as const,
  });
  try {
    const isDirectory = statSync(path).isDirectory();
    const files = isDirectory ? configurationFiles(path) : [path];
    if (files.length === 0) return problem("the directory holds no *.yml or *.yaml");
    // A character has at most 4 bytes. A larger file is not read.
    const large = files.find((file) => statSync(file).size > 4 * MAX_YAML_BYTES);
    if (large !== undefined) return problem(`${YAML_TOO_LARGE} (${large})`);
    return { sources: files.map((file) => ({ file, text: readFileSync(file, "utf8") })), issue: null };
  } catch (error) {
    const denied = (error as { code?: unknown }).code === "EACCES"
      ? `. It has to belong to the user who runs the agent (uid ${process.geteuid?.()}), with the permissions 0600`
      : "";
    return problem(`cannot be read: ${error instanceof Error ? error.message : String(error)}${denied}`);
  }
}

function configurationFiles(directory: string): string[] {
  return readdirSync(directory).filter((name) => /\.ya?ml$/.test(name)).sort().map((name) =>
    join(directory, name)
  );
}
