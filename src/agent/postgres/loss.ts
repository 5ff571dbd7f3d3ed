/**
 * What a rejoin is about to destroy: the WAL of this member that is no part of the cluster's history. It is
 * measured, counted and kept beside the data directory, in a bounded time, before the first change.
 *
 * Whatever fails here is said, and the rejoin goes on. The cluster has gone on without this WAL, and nothing
 * brings it back by itself: it is for people to look at. A member that stays away for its sake would cost the
 * cluster a standby, and with the next failure its service, or more data. A full disk is when both happen.
 */
import { bytesOf, describeLoss, type LostWal, type WalStretch } from "../../model/lost_wal.ts";
import { formatLsn } from "../../model/lsn.ts";
import type { ControlFile } from "../../postgres/control_file.ts";
import { historyOnDisk, wroteAlone } from "../../postgres/data_directory.ts";
import { errorText } from "../../postgres/error_text.ts";
import type { OtherHistory } from "../../postgres/history.ts";
import { countTransactions } from "../../postgres/lost_transactions.ts";
import { stretchesBeyond } from "../../postgres/parting.ts";
import { keepWal, type Kept, type RoomNote } from "../../postgres/wal_room.ts";
import type { PostgresContext } from "./context.ts";
import type { Progress } from "./copy.ts";
import { atMost } from "./wait.ts";

/** pg_waldump reads some 100 MB of WAL a second. */
const COUNT_MS = 20_000;
const KEEP_MS = 40_000;

type Found = Omit<LostWal, "atMs">;

export class WalLoss {
  readonly #context: PostgresContext;

  constructor(context: PostgresContext) {
    this.#context = context;
  }

  /** Nothing runs in the directory, and nothing has been changed in it. Never rejects. */
  async note(signal?: AbortSignal, progress: Progress = () => {}): Promise<void> {
    const { warn, parts: { memory: { loss }, clock, changed } } = this.#context;
    if (loss.other === null) return;
    try {
      const found = await this.#find(loss.other, progress, signal);
      if (found === null || signal?.aborted) return;
      loss.taken = pointOf(found.stretches);
      loss.last = { atMs: clock.now(), ...found };
      warn(`before it rejoins: ${describeLoss(loss.last)}`);
      changed();
    } catch (error) {
      warn(`what WAL is lost with the rejoin cannot be told: ${errorText(error)}`);
    }
  }

  /** null: it has nothing that the other does not have, or that was told already. */
  async #find(other: OtherHistory, progress: Progress, signal?: AbortSignal): Promise<Found | null> {
    const context = this.#context;
    const { memory, programs } = context.parts;
    const { control } = memory.found;
    if (control === null) return null;
    if (memory.diskEnd === null) await context.readWalEnd();
    const end = memory.diskEnd;
    if (end === null) throw new Error("the end of WAL on disk is not known");
    const { dataDir } = context;
    const own = { ...end, history: historyOnDisk(dataDir, end.timeline), wroteAlone: wroteAlone(dataDir) };
    const stretches = stretchesBeyond(own, other);
    if (stretches?.length === 0 || memory.loss.taken === pointOf(stretches)) return null;
    if (stretches === null) {
      return { stretches, transactions: "where it begins is not known", kept: null, notKept: null };
    }
    progress("counting what is lost");
    const options = { timeoutMs: COUNT_MS, ...(signal === undefined ? {} : { signal }) };
    const transactions = await countTransactions(
      programs,
      dataDir,
      stretches,
      control.segmentBytes,
      options,
    );
    if (signal?.aborted) return null;
    progress("keeping what is lost");
    const { directory, lacks } = await this.#keep(stretches, transactions, control, signal);
    return { stretches, transactions, kept: directory, notKept: lacks };
  }

  async #keep(
    stretches: readonly WalStretch[],
    transactions: number | string,
    { systemId, segmentBytes }: Pick<ControlFile, "systemId" | "segmentBytes">,
    signal?: AbortSignal,
  ): Promise<Kept> {
    const { dataDir, info, parts: { clock, local } } = this.#context;
    const now = new Date();
    let isLate = false;
    const ranges = stretches.map(({ timeline, from, to }) => ({
      timeline,
      start: formatLsn(from),
      end: formatLsn(to),
    }));
    const note: RoomNote = {
      found: now.toISOString(),
      member: local.name,
      system_id: systemId,
      ranges,
      bytes: bytesOf(stretches),
      transactions: typeof transactions === "number" ? transactions : null,
      read_with: ranges.map(({ timeline, start, end }) =>
        `pg_waldump -p . -t ${timeline} -s ${start} -e ${end}`
      ),
    };
    const isOver = () => isLate || signal?.aborted === true;
    const keeping = keepWal({ dataDir, stretches, segmentBytes, note, now, isOver, info });
    try {
      const kept = await atMost(clock, KEEP_MS, keeping);
      if (kept !== null) return kept;
      isLate = true;
      keeping.catch((error: unknown) => info(`WAL that is lost was not kept: ${errorText(error)}`));
      return { directory: null, lacks: `copying it took more than ${KEEP_MS / 1000} s` };
    } catch (error) {
      return { directory: null, lacks: errorText(error) };
    }
  }
}

function pointOf(stretches: LostWal["stretches"]): string {
  const first = stretches?.[0];
  return first === undefined ? "unknown" : `${first.timeline}/${first.from}`;
}
