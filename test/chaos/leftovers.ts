/**
 * What a cluster that has recovered must not have left behind: processes of nobody, memory and files that
 * grow, replication slots of nobody. `survey` reads it, `leftovers` judges it.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../../src/demo/host.ts";
import { commandLine, pssBytes } from "../../src/demo/processes.ts";
import { readProcess } from "../../src/lib/process_table.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";

export interface ProcessSurvey {
  readonly pid: number;
  readonly kind: "agent" | "guard" | "postgres" | "other";
  readonly parent: number;
  readonly text: string;
  readonly memoryBytes: number;
  readonly files: number;
}

export interface HostSurvey {
  readonly name: string;
  readonly isPrimary: boolean;
  readonly postmaster: number | null;
  readonly processes: readonly ProcessSurvey[];
  readonly slots: readonly { readonly name: string; readonly isActive: boolean }[];
  /** Names in the host's directory. */
  readonly names: readonly string[];
  readonly walBytes: number;
}

const MOST_MEMORY_BYTES = 40 * 2 ** 20;
const MOST_FILES = 25;
/** max_wal_size, and the same once more for what a standby that was away still needs. */
const MOST_WAL_BYTES = 384 * 2 ** 20;
/** All that agent and PostgreSQL have to do with in a host's directory. */
const KNOWN_NAMES =
  /^(agent\.(yml|log)|data|data\.(?:failed|lost-wal)-.*|raft|pgpass|decisions(\.\d+)?|\.s\.PGSQL\.\d+(\.lock)?)$/;

export async function survey(chaos: ChaosCluster, primary: Host): Promise<HostSurvey[]> {
  return await Promise.all(chaos.active.map(async (host) => {
    const slots = await chaos.cluster.query<{ name: string; active: boolean }>(
      host,
      "SELECT slot_name AS name, active FROM pg_replication_slots",
    );
    const wal = join(host.dataDir, "pg_wal");
    return {
      name: host.name,
      isPrimary: host === primary,
      postmaster: host.postmasterPid(),
      processes: host.processes().flatMap((pid) => surveyProcess(host, pid)),
      slots: slots.map(({ name, active }) => ({ name, isActive: active })),
      names: readdirSync(host.directory),
      walBytes: onceEach(readdirSync(wal)).reduce((sum, name) => sum + sizeOf(join(wal, name)), 0),
    };
  }));
}

/**
 * Each segment of WAL once, whichever timelines have it: a timeline begins with a copy of the segment in
 * which it parts, which goes when that segment goes. A run of ten minutes has twenty of them.
 */
export function onceEach(names: readonly string[]): string[] {
  return [
    ...new Map(names.map((name) => [/^[0-9A-F]{24}$/.test(name) ? name.slice(8) : name, name])).values(),
  ];
}

function surveyProcess(host: Host, pid: number): ProcessSurvey[] {
  try {
    const [program, command] = commandLine(pid);
    const agent = host.agentPid();
    const kind = pid === agent
      ? "agent"
      : program === host.settings.binary && command === "guard"
      ? "guard"
      : readProcess(pid)?.name === "postgres"
      ? "postgres"
      : "other";
    return [{
      pid,
      kind,
      parent: readProcess(pid)?.parentPid ?? 0,
      text: `${program ?? "?"} ${command ?? ""}`.trim(),
      memoryBytes: pssBytes(pid),
      files: readdirSync(`/proc/${pid}/fd`).length,
    }];
  } catch {
    return []; // it has ended meanwhile
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * `before`: of the same cluster when it was new and well. `former`: members that have left, whose slots are
 * kept for a while.
 */
export function leftovers(
  before: readonly HostSurvey[],
  after: readonly HostSurvey[],
  former: readonly string[] = [],
): string[] {
  const names = after.map(({ name }) => name);
  return after.flatMap((host) => {
    // One that came later is measured by another one.
    const old = before.find(({ name }) => name === host.name) ?? before[0]!;
    return [
      ...strayProcesses(host),
      ...growth(old, host),
      ...straySlots(host, names, former),
      ...host.names.filter((name) => !KNOWN_NAMES.test(name) && !old.names.includes(name)).map((name) =>
        `${name} is left in its directory`
      ),
      ...(host.walBytes > MOST_WAL_BYTES ? [`${host.walBytes} bytes of WAL`] : []),
    ].map((text) => `${host.name}: ${text}`);
  });
}

function strayProcesses({ processes, postmaster }: HostSurvey): string[] {
  const counted = (kind: string) => processes.filter((one) => one.kind === kind).length;
  const wrong = (["agent", "guard"] as const).filter((kind) => counted(kind) !== 1)
    .map((kind) => `it has ${counted(kind)} processes of ${kind}`);
  const strays = processes.filter(({ kind, pid, parent }) =>
    kind === "other" || (kind === "postgres" && pid !== postmaster && parent !== postmaster)
  );
  return [...wrong, ...strays.map(({ pid, text }) => `process ${pid} belongs to nobody: ${text}`)];
}

function growth(before: HostSurvey, { processes }: HostSurvey): string[] {
  return processes.flatMap(({ kind, memoryBytes, files }) => {
    const old = before.processes.find((one) => one.kind === kind);
    if (old === undefined || (kind !== "agent" && kind !== "guard")) return [];
    return [
      ...(memoryBytes - old.memoryBytes > MOST_MEMORY_BYTES
        ? [`memory of its ${kind} grew from ${old.memoryBytes} to ${memoryBytes} bytes`]
        : []),
      ...(files - old.files > MOST_FILES
        ? [`open files of its ${kind} grew from ${old.files} to ${files}`]
        : []),
    ];
  });
}

/** Every member keeps slots for the others, which stream from the primary alone. */
function straySlots(
  { name, isPrimary, slots }: HostSurvey,
  names: readonly string[],
  former: readonly string[],
): string[] {
  const strays = slots.filter((slot) => ![...names, ...former].includes(slot.name)).map((slot) =>
    `slot ${slot.name} belongs to nobody`
  );
  if (!isPrimary) return strays;
  const missing = names.filter((other) =>
    other !== name && !slots.some((slot) => slot.name === other && slot.isActive)
  );
  return [...strays, ...missing.map((other) => `no active slot for ${other}`)];
}
