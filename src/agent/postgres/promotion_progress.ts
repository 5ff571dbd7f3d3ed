/**
 * Tells whether a promotion goes on. The work is done by PostgreSQL's startup process, and by what it has
 * started itself (restore_command); before it is known, or once it is gone, by the postmaster. Looks at the
 * kernel's memory only.
 */
import { isDead, listChildren, type ProcessStat, readProcess } from "../../lib/process_table.ts";

export class PromotionProgress {
  /** Its pid, by word of the server; null: not known yet. */
  startup: number | null = null;
  #before = "";

  /** Since the last call one of them has computed, or has come or gone. `read`: @default of /proc */
  moves(postmaster: number, read = readProcess, children = listChildren): boolean {
    const startup = this.startup === null ? null : read(this.startup);
    const worker = startup === null || isDead(startup) ? read(postmaster) : startup;
    if (worker === null) return false;
    const workers = worker === startup ? [worker, ...children(worker.pid).map((pid) => read(pid))] : [worker];
    const now = workers.filter((one): one is ProcessStat => one !== null).map(({ pid, cpuTicks }) =>
      `${pid}:${cpuTicks}`
    ).join(" ");
    const moved = now !== this.#before || workers.some((one) => one?.state === "R");
    this.#before = now;
    return moved;
  }
}
