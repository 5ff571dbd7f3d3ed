/**
 * Names the data in a data directory: a copy, a rewind and a restore each make another one. A synchronous
 * standby votes with the data only that it has acknowledged with (src/sync/DESIGN.md).
 */
import { randomHex } from "../lib/random.ts";
import type { DataMark } from "./data_mark.ts";
import { join, modeIn, readText, writeDurably } from "./disk.ts";

const FILE = "agent.data_id";

/** null: it has none that can be read. */
export function readDataId(dataDir: string): string | null {
  const id = readText(join(dataDir, FILE))?.trim();
  return id !== undefined && /^[0-9a-f]{32}$/.test(id) ? id : null;
}

/**
 * From now on the directory holds other data than it did. On disk when it resolves: the name is known on this
 * host before the directory has it.
 */
export async function markNewData(dataDir: string, mark: DataMark): Promise<void> {
  const dataId = randomHex(16);
  await mark.note({ dataId, checkpointLsn: 0, inProduction: false });
  await writeDurably(join(dataDir, FILE), `${dataId}\n`, modeIn(dataDir, 0o600));
}
