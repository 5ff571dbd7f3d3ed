/** The options of `agent guard`, as its starters write them and as it reads them. */
import { join } from "node:path";

export interface GuardArguments {
  readonly socketPath: string;
  readonly dataDir: string;
  /** Where a guard that has become another program finds its state. */
  readonly stateFd: number | null;
}

/** `raftDir`: raft.data_dir. */
export function guardSocketOf(raftDir: string): string {
  return join(raftDir, "run", "guard.sock");
}

export function guardArguments(socketPath: string, dataDir: string): string[] {
  return ["--socket", socketPath, "--data-dir", dataDir];
}

/** null when something is missing. */
export function parseGuardArguments(argv: readonly string[]): GuardArguments | null {
  const socketPath = valueOf(argv, "--socket");
  const dataDir = valueOf(argv, "--data-dir");
  const stateFd = valueOf(argv, "--state-fd");
  if (socketPath === null || dataDir === null) return null;
  return { socketPath, dataDir, stateFd: stateFd === null ? null : Number(stateFd) };
}

function valueOf(argv: readonly string[], name: string): string | null {
  const at = argv.indexOf(name);
  return at < 0 ? null : argv[at + 1] ?? null;
}
