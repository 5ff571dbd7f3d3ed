/**
 * The course of a member's ailments: a symptom becomes one when several looks in a row have it, and it ends
 * when several have it no more. A single look proves nothing: a disk is slow for a moment, and a host that
 * stood still finds its own probe late. Pure; the time comes in.
 */
import {
  type Ailment,
  AILMENT_CAUSES,
  type AilmentCause,
  type AilmentSeverity,
} from "../../model/ailment.ts";
import type { Symptom } from "./symptoms.ts";

/** An ailment of this member itself. */
export interface OwnAilment extends Ailment {
  /** Clock.now() when it began to be as severe as it is. */
  readonly sinceMs: number;
  /** The latest look has not found it, or not so severe: it may be over. */
  readonly doubted?: boolean;
}

interface Stage {
  readonly ailment: OwnAilment | null;
  /** Looks in a row that differ from it: its absence, its presence, or another severity. */
  readonly looks: number;
  /** The mildest of the symptoms in these looks; null: they had none. */
  readonly mildest: AilmentSeverity | null;
}

const WELL: Stage = { ailment: null, looks: 0, mildest: null };

export type Course = { readonly [cause in AilmentCause]?: Stage };

export const HEALTHY: Course = {};

/** Looks in a row that have the symptom before it is an ailment. */
const BEGINS = 2;
const BEGINS_OTHERWISE: { readonly [cause in AilmentCause]?: number } = {
  "slow-disk": 3,
  "postmaster-hung": 3,
};
/** Looks in a row without it before it is over. */
const ENDS = 3;

export interface Look {
  readonly nowMs: number;
  /** The same by the wall clock, ISO 8601. */
  readonly at: string;
  /** The causes that this look speaks of; the others stay as they are. */
  readonly about: readonly AilmentCause[];
  readonly symptoms: readonly Symptom[];
}

export function advance(course: Course, look: Look): Course {
  return Object.fromEntries(
    AILMENT_CAUSES.map((cause) => {
      const before = course[cause] ?? WELL;
      return [cause, look.about.includes(cause) ? next(before, cause, look) : before];
    }),
  );
}

/** Nothing is known of these causes any more. */
export function forget(course: Course, about: readonly AilmentCause[]): Course {
  return { ...course, ...Object.fromEntries(about.map((cause) => [cause, WELL])) };
}

export function ailmentsOf(course: Course): readonly OwnAilment[] {
  return AILMENT_CAUSES.flatMap((cause) => {
    const { ailment, looks } = course[cause] ?? WELL;
    if (ailment === null) return [];
    return looks === 0 ? ailment : { ...ailment, doubted: true };
  });
}

function next({ ailment, looks, mildest }: Stage, cause: AilmentCause, look: Look): Stage {
  const symptom = look.symptoms.find((each) => each.cause === cause);
  if (symptom === undefined) {
    if (ailment === null) return WELL;
    // Looks with another severity before do not count.
    const without = mildest === null ? looks + 1 : 1;
    return without >= ENDS ? WELL : { ailment, looks: without, mildest: null };
  }
  const { severity: seen, detail } = symptom;
  if (ailment?.severity === seen) return { ailment: { ...ailment, detail }, looks: 0, mildest: null };
  const inARow = mildest === null ? 1 : looks + 1;
  const severity = mildest === "warning" ? mildest : seen;
  const needed = BEGINS_OTHERWISE[cause] ?? BEGINS;
  if (inARow < needed) return { ailment, looks: inARow, mildest: severity };
  const since = ailment?.since ?? look.at;
  return { ailment: { cause, severity, detail, since, sinceMs: look.nowMs }, looks: 0, mildest: null };
}
