/**
 * Where a configuration comes from: one file, the *.yml and *.yaml of a directory, PATRONI_* variables. What
 * they mean is decided in src/config/parse.ts. Prints nothing.
 */
import { resolve } from "node:path";
import { WHOLE_CONFIGURATION } from "../src/config/env.ts";
import type { LocatedIssue } from "../src/config/issues.ts";
import type { ConfigSource, Environment } from "../src/config/layers.ts";
import { parseConfig } from "../src/config/parse.ts";
import type { ParsedConfig } from "../src/config/parse.ts";
import { YAML_FILES } from "../src/config/yaml.ts";
import { readTextFiles } from "../src/lib/text_files.ts";

export interface LoadOptions {
  /** null: PATRONI_CONFIGURATION and the other variables alone. */
  readonly path: string | null;
  readonly environment: Environment;
  readonly witness?: boolean;
  /** A reload. */
  readonly again?: boolean;
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
export function loadConfig({ path, environment, witness, again }: LoadOptions): ParsedConfig {
  const cwd = process.cwd();
  if (path === null) return parseConfig([], environment, { cwd, path: WHOLE_CONFIGURATION, witness });
  const absolute = resolve(path);
  const { sources, issue } = readSources(absolute, again);
  if (issue) {
    return { config: null, issues: [issue], mergedYaml: {}, missingRaft: null, locations: new Map() };
  }
  return parseConfig(sources, environment, { cwd, path: absolute, witness });
}

/** The files behind a path, in the order in which later ones win. */
export function readSources(
  path: string,
  again = false,
): { sources: ConfigSource[]; issue: LocatedIssue | null } {
  const problem = (message: string) => ({
    sources: [],
    issue: { severity: "error", path: "", file: path, line: null, message } as const,
  });
  try {
    const sources = readTextFiles(path, { ...YAML_FILES, again });
    return sources.length === 0
      ? problem("the directory holds no *.yml or *.yaml")
      : { sources, issue: null };
  } catch (error) {
    const denied = (error as { code?: unknown }).code === "EACCES"
      ? `. It has to belong to the user who runs the agent (uid ${process.geteuid?.()}), with the permissions 0600`
      : "";
    return problem(`cannot be read: ${error instanceof Error ? error.message : String(error)}${denied}`);
  }
}
