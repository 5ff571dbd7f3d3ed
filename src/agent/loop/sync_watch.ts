/**
 * The course of what ails synchronous replication: a sign that lasts becomes a trouble, and one that is not
 * seen for a while is over. Said once at the beginning and once at the end. Pure but for its memory.
 */
import type { SyncSign } from "../../brain/sync_trouble.ts";
import { SYNC_TROUBLES, type SyncTrouble, type SyncTroubleKind } from "../../model/sync_trouble.ts";

/** How long a sign has to last, ms. */
const BEGINS_MS: { readonly [kind in SyncTroubleKind]: number } = {
  // A standby whose agent is silent is set aside after 2 s, and a commit that waits for that long is in order.
  "writes-blocked": 4000,
  // Members that are started together join within seconds.
  "too-few-members": 30_000,
  // A connection that has just ended may be seen without its slot.
  "name-clash": 1000,
  "commits-exempt": 1000,
};
/** So long without it before it is over: signs come and go while standbys are exchanged. */
const ENDS_MS = 3000;

interface Stage {
  readonly key: string;
  /** When PostgreSQL was looked at that first had a sign with this key. */
  readonly firstMs: number;
  /** When it was looked at that last had the same sign as at the look before. */
  readonly lastMs: number;
  /** It goes on when the keys of its signs change; null: it is none yet. */
  readonly trouble: SyncTrouble | null;
}

export interface SyncNews {
  readonly kind: SyncTroubleKind;
  readonly begins: boolean;
  readonly text: string;
}

export interface SyncLook {
  readonly signs: readonly SyncSign[];
  readonly nowMs: number;
  /** Clock.now() of the look at PostgreSQL that the signs are from. */
  readonly lookMs: number;
  /** Wall clock, ms. */
  readonly wallMs: number;
}

export class SyncWatch {
  #stages: { readonly [kind in SyncTroubleKind]?: Stage } = {};

  get troubles(): readonly SyncTrouble[] {
    return SYNC_TROUBLES.flatMap((kind) => this.#stages[kind]?.trouble ?? []);
  }

  look(look: SyncLook): readonly SyncNews[] {
    const news: SyncNews[] = [];
    const next: { [kind in SyncTroubleKind]?: Stage } = {};
    for (const kind of SYNC_TROUBLES) {
      const before = this.#stages[kind];
      const stage = advance(before, look.signs.find((sign) => sign.kind === kind), look);
      if (stage !== null) next[kind] = stage;
      const [was, is] = [before?.trouble ?? null, stage?.trouble ?? null];
      if (was === null && is !== null) news.push({ kind, begins: true, text: is.detail });
      if (was !== null && is === null) {
        news.push({ kind, begins: false, text: `over; it had lasted since ${was.since}` });
      }
    }
    this.#stages = next;
    return news;
  }
}

function advance(before: Stage | undefined, sign: SyncSign | undefined, look: SyncLook): Stage | null {
  const { nowMs, lookMs, wallMs } = look;
  const isOver = before === undefined || nowMs - before.lastMs >= ENDS_MS;
  if (sign === undefined) return isOver || before.trouble === null ? null : before;
  const { kind, key, detail } = sign;
  const trouble = before?.trouble ?? null;
  if (before?.key !== key) {
    const kept = isOver ? null : trouble;
    return { key, firstMs: lookMs, lastMs: kept === null ? lookMs : before!.lastMs, trouble: kept };
  }
  // The same look at PostgreSQL once more says nothing new.
  const lasts = lookMs > before.firstMs;
  const lastMs = lasts ? Math.max(before.lastMs, lookMs) : before.lastMs;
  if (trouble !== null) {
    return !lasts && isOver
      ? { ...before, trouble: null }
      : { ...before, lastMs, trouble: { ...trouble, detail } };
  }
  const began = lookMs - before.firstMs >= BEGINS_MS[kind];
  const since = new Date(wallMs - (nowMs - before.firstMs)).toISOString();
  return { ...before, lastMs, trouble: began ? { kind, since, detail } : null };
}
