import { expect, test } from "bun:test";
import { seededRandom } from "../core/seeded_random.ts";
import { inlineBackend } from "./inline_backend.ts";
import { openLog } from "./open_wal.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { batch, entry, IDENTITY, snapshotAt } from "./testing.ts";
import { type BrokenStorage, WalStorage } from "./wal_storage.ts";
import type { LogBatch, StoredLog } from "../node/ports.ts";

const SEGMENT_BYTES = 4096;

/** The test's own simple model of a log. */
class Model {
  term = 0;
  vote = 0;
  snapshot = { index: 0, term: 0 };
  terms = new Map<number, number>();
  last = 0;

  take(one: LogBatch): void {
    if (one.snapshot) {
      const { index, term } = one.snapshot;
      this.snapshot = { index, term };
      if (this.terms.get(index) !== term) {
        this.terms = new Map([[index, term]]);
        this.last = index;
      }
    }
    for (const { index, term } of one.entries) {
      for (let i = index; i <= this.last; i++) this.terms.delete(i);
      this.terms.set(index, term);
      this.last = index;
    }
    if (one.hardState) ({ term: this.term, vote: this.vote } = one.hardState);
  }
}

function randomBatch(random: () => number, model: Model): LogBatch {
  const draw = random();
  if (draw < 0.15) {
    const vote = Math.floor(random() * 3) + 1;
    return batch({ hardState: { term: model.term + 1, vote, commit: model.snapshot.index } });
  }
  if (draw < 0.25 && model.last > model.snapshot.index) {
    const index = model.snapshot.index + 1 + Math.floor(random() * (model.last - model.snapshot.index));
    return batch({ snapshot: snapshotAt(index, model.terms.get(index)!, Math.floor(random() * 900)) });
  }
  if (draw < 0.28) {
    // A leader sends it, beyond this log or instead of it.
    const term = model.term + 1;
    const index = model.snapshot.index + 1 + Math.floor(random() * (model.last - model.snapshot.index + 9));
    return batch({ snapshot: snapshotAt(index, term), hardState: { term, vote: 0, commit: index } });
  }
  if (draw < 0.4) {
    const { term, vote } = model;
    return batch({ hardState: { term, vote, commit: model.snapshot.index }, sync: false });
  }
  // Only entries of a later term replace others.
  const back = random() < 0.2 ? Math.floor(random() * (model.last - model.snapshot.index + 1)) : 0;
  const term = back > 0 ? model.term + 1 : model.term;
  const first = model.last + 1 - back;
  const count = 1 + Math.floor(random() * 4);
  const entries = Array.from(
    { length: count },
    (_, i) => entry(term, first + i, Math.floor(random() ** 3 * 1500)),
  );
  return back > 0
    ? batch({ entries, hardState: { term, vote: 0, commit: model.snapshot.index } })
    : batch({ entries });
}

/** Index from which a batch may replace what was there. Received snapshots come with a new term. */
function replacesFrom({ entries, snapshot, hardState }: LogBatch): number {
  if (snapshot) return hardState ? snapshot.index + 1 : Infinity;
  return entries[0]?.index ?? Infinity;
}

/** Plays several lives of one log, each ended by a crash; returns what was acknowledged and lost, or null. */
function lives(seed: number, broken?: BrokenStorage): string | null {
  const random = seededRandom(seed);
  const disk = new MemoryDisk();
  let model = new Model();
  /** Index at which a batch that was not acknowledged may have cut the log. */
  let truncatedFrom = Infinity;
  for (let life = 0; life < 6; life++) {
    const { stored, writer } = openLog(disk, IDENTITY, {
      segmentBytes: SEGMENT_BYTES,
      logExpected: life > 0,
    });
    const lost = life === 0 ? null : lossOf(model, stored, truncatedFrom);
    if (lost) return `life ${life}: ${lost}`;
    model = modelOf(stored);
    const deferred: (() => void)[] = [];
    const backend = inlineBackend(writer, (run) => deferred.push(run));
    const storage = new WalStorage(stored, { identity: IDENTITY, backend, now: () => 0, broken });
    disk.failAt = { operation: disk.operations + 1 + Math.floor(random() * 60), fault: "crash" };
    const handedIn = modelOf(stored);
    const unsettled = new Set<LogBatch>();
    let over = false;
    for (let i = 0; i < 60 && !over; i++) {
      const one = randomBatch(random, handedIn);
      handedIn.take(one);
      unsettled.add(one);
      storage.append(one, (error) => {
        if (error) return void (over = true);
        model.take(one);
        unsettled.delete(one);
      });
      storage.compact(handedIn.snapshot.index);
      while (deferred.length > 0 && random() < 0.7) deferred.shift()!();
    }
    storage.close();
    truncatedFrom = Math.min(...[...unsettled].map(replacesFrom));
    disk.crash(random);
  }
  return null;
}

function modelOf(stored: StoredLog): Model {
  const model = new Model();
  const { snapshot, hardState, entries } = stored;
  if (snapshot) {
    model.snapshot = { index: snapshot.index, term: snapshot.term };
    model.terms.set(snapshot.index, snapshot.term);
  }
  model.last = snapshot?.index ?? 0;
  model.take(batch({ hardState, entries: [...entries] }));
  return model;
}

/**
 * Returns what is missing of the acknowledged, or null. From `truncatedFrom` on, other entries may have taken
 * its place.
 */
function lossOf(model: Model, stored: StoredLog, truncatedFrom: number): string | null {
  const { term, vote } = stored.hardState;
  if (term < model.term) return `term ${model.term} became ${term}`;
  if (term === model.term && vote !== model.vote) return `vote ${model.vote} became ${vote} in term ${term}`;
  const base = stored.snapshot?.index ?? 0;
  if (base < model.snapshot.index) return `snapshot ${model.snapshot.index} became ${base}`;
  const found = new Map(stored.entries.map((one) => [one.index, one.term]));
  for (let index = base + 1; index <= Math.min(model.last, truncatedFrom - 1); index++) {
    if (found.get(index) !== model.terms.get(index)) return `entry ${index} is gone`;
  }
  return null;
}

test("no random history of writes and crashes loses anything acknowledged, nor is any refused", () => {
  for (let seed = 1; seed <= 150; seed++) expect({ seed, loss: lives(seed) }).toEqual({ seed, loss: null });
});

test("the same histories show storage that is broken on purpose", () => {
  for (const broken of ["ack-before-fsync", "vote-not-persisted"] as const) {
    let noticed = 0;
    for (let seed = 1; seed <= 40; seed++) if (lives(seed, broken) !== null) noticed++;
    expect(noticed).toBeGreaterThan(10);
  }
});
