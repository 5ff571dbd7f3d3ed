/**
 * Names the data in a data directory: a copy, a rewind and a restore each make another one. A synchronous
 * standby votes with the data only that it has acknowledged with (src/sync/DESIGN.md).
 */
import { randomHex } from "../lib/random.ts";
import { join, modeIn, readText, writeDurably } from "./disk.ts";

const FILE = "agent.data_id";

/** null: it has none that can be read. */
export function readDataId(dataDir: string): string | null {
  const id = readText(join(dataDir, FILE))?.trim();
  return id !== undefined && /^[0-9a-f]{32}$/.test(id) ? id : null;
}

/** From now on the directory holds other data than it did. On disk when it resolves. */
export async function markNewData(dataDir: string): Promise<void> {
  await writeDurably(join(dataDir, FILE), `${randomHex(16)}\n`, modeIn(dataDir, 0o600));
}
