/**
 * Notices a PostgreSQL that an operator, or a service, has started beside the agent while none ran: in the
 * worst case as a second primary. The guard looks around when it is asked, and is asked where a lock file
 * shows up: what others do in the directory of a stopped server, such as a backup, is not disturbed. Reads
 * the disk off the loop, one reading at a time.
 */
import { access } from "node:fs/promises";
import { join } from "node:path";
import type { GuardPort } from "../../guard/port.ts";

export class OthersServer {
  #reading = false;

  readonly #lockFile: string;
  readonly #guard: Pick<GuardPort, "view" | "ping">;

  constructor(dataDir: string, guard: Pick<GuardPort, "view" | "ping">) {
    this.#lockFile = join(dataDir, "postmaster.pid");
    this.#guard = guard;
  }

  /** While no action of the agent is at work in the directory. */
  async look(): Promise<void> {
    if (this.#reading || this.#guard.view().postmaster !== null) return;
    this.#reading = true;
    const isThere = await access(this.#lockFile).then(() => true, () => false);
    this.#reading = false;
    if (isThere && this.#guard.view().postmaster === null) this.#guard.ping(() => {});
  }
}
