/**
 * What is known of the end of WAL on this member's disk: its vote in the choice of the next holder
 * (src/sync/DESIGN.md), so that nothing counts as the end that may not be it.
 */
import { isDeepStrictEqual } from "node:util";
import type { WalEnd } from "../../postgres/wal_end.ts";
import type { PostgresMemory } from "./memory.ts";
import { isWhole } from "./server_memory.ts";

/**
 * A reading of the end of WAL begins. The result takes what it finds, and says whether that is of use: what a
 * server that ran meanwhile, and has ended, may have received is not in it. One that was started meanwhile
 * had that much at its start.
 */
export function readingOf(memory: PostgresMemory): (end: WalEnd) => boolean {
  const { server, servers, found: { control } } = memory;
  return (end) => {
    const own = memory.server;
    if (own === null) {
      const isSame = memory.servers === servers && isDeepStrictEqual(memory.found.control, control);
      if (server !== null || !isSame) return false;
      memory.diskEnd = end;
      return true;
    }
    if (server === null ? memory.servers !== servers + 1 : own !== server) return false;
    if (!isWhole(own.floor)) own.floor = end;
    return true;
  };
}
