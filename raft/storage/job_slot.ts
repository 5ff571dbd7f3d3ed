/**
 * Memory that the main thread and the log's thread share, with room for one small job. Waking a thread that
 * waits at a word of it takes a fraction of a message's time: a message has to be packed, unpacked and
 * brought by an event loop. A job that does not fit goes as a message; the waiting thread is told, so that it
 * looks at its messages.
 */
import type { WriteJob } from "./wal_writer.ts";

/**
 * Size of the slot. Nearly every write of a log fits; larger ones take so long that a message makes no
 * difference.
 */
const JOB_BYTES = 64 * 1024;
const HEAD_BYTES = 32;
const COMPACT_TO_AT = 16;

/** Words at the head of the memory. */
const Word = {
  /**
   * Number of jobs and announcements so far: a thread does not fall asleep over a job that came while it
   * looked.
   */
  bell: 0,
  /** Number of messages announced so far, modulo 2^32. */
  announced: 1,
  /** Size of the job's records; 0: there is no job. */
  recordBytes: 2,
  sync: 3,
} as const;

export class JobSlot {
  /** Memory for the other thread, which makes its own JobSlot of it. */
  readonly memory: SharedArrayBuffer;
  #words: Int32Array;
  #compactTo: Float64Array;
  #records: Uint8Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(HEAD_BYTES + JOB_BYTES)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, COMPACT_TO_AT / 4);
    this.#compactTo = new Float64Array(memory, COMPACT_TO_AT, 1);
    this.#records = new Uint8Array(memory, HEAD_BYTES);
  }

  /** Hands over a job; the previous one must have been answered. False: it has to go as a message. */
  put({ snapshots, records, sync, compactTo }: WriteJob): boolean {
    if (snapshots.length > 0 || records.length === 0 || records.length > JOB_BYTES) return false;
    if (Atomics.load(this.#words, Word.recordBytes) !== 0) throw new Error("the job before is not taken yet");
    this.#records.set(records);
    this.#compactTo[0] = compactTo;
    this.#words[Word.sync] = sync ? 1 : 0;
    // The length comes last: a thread that sees it sees the rest.
    Atomics.store(this.#words, Word.recordBytes, records.length);
    this.#ring();
    return true;
  }

  /** Tells the waiting thread of a message that was just sent to it. */
  announceMessage(): void {
    Atomics.add(this.#words, Word.announced, 1);
    this.#ring();
  }

  /**
   * Waits for a job; blocks the calling thread. Null: more messages were announced than the `handled` ones,
   * and the event loop brings them.
   */
  take(handled: number): WriteJob | null {
    for (;;) {
      // The bell is read before looking: a job that is put from here on changes it, and then there is no
      // waiting.
      const bell = Atomics.load(this.#words, Word.bell);
      const length = Atomics.load(this.#words, Word.recordBytes);
      if (length > 0) {
        const job: WriteJob = {
          snapshots: [],
          records: this.#records.slice(0, length),
          sync: this.#words[Word.sync] === 1,
          compactTo: this.#compactTo[0]!,
        };
        Atomics.store(this.#words, Word.recordBytes, 0);
        return job;
      }
      if (Atomics.load(this.#words, Word.announced) !== (handled | 0)) return null;
      Atomics.wait(this.#words, Word.bell, bell);
    }
  }

  #ring(): void {
    Atomics.add(this.#words, Word.bell, 1);
    Atomics.notify(this.#words, Word.bell);
  }
}
