/**
 * Archives the WAL that a stopped former primary has not archived yet: a rewind may take it away, and the
 * archive needs it.
 */
import { join, list, move } from "./disk.ts";
import { describeFailure, runProgram, succeeded } from "./run_program.ts";

/** archive_command with %p, %f and %% put in, as PostgreSQL does it. */
export function archiveCommand(template: string, walDir: string, file: string): string {
  return template.replace(
    /%[pf%]/g,
    (what) => what === "%p" ? join(walDir, file) : what === "%f" ? file : "%",
  );
}

export interface ArchiveInput {
  readonly dataDir: string;
  readonly archiveMode: string;
  readonly command: string;
  readonly signal: AbortSignal;
}

/**
 * Resolves to null when nothing is left, else to why it stopped; what was archived until then is marked as
 * done.
 */
export async function archiveReady(input: ArchiveInput): Promise<string | null> {
  if (!/^(?:on|always|true|yes|1)$/i.test(input.archiveMode) || input.command === "") return null;
  const walDir = join(input.dataDir, "pg_wal");
  const status = join(walDir, "archive_status");
  for (const name of list(status) ?? []) {
    if (!name.endsWith(".ready")) continue;
    const file = name.slice(0, -".ready".length);
    // A shell command by definition. Not run in the data directory: a process that works there counts as
    // PostgreSQL.
    const result = await runProgram("sh", ["-c", archiveCommand(input.command, walDir, file)], {
      environment: "server",
      cwd: "/",
      signal: input.signal,
      timeoutMs: 120_000,
    });
    if (!succeeded(result)) return describeFailure(`archive_command for ${file}`, result);
    move(join(status, name), join(status, `${file}.done`));
  }
  return null;
}
