/**
 * The end of maintenance mode: `pause_until` beside `pause`, a time of day that the raft leader goes by
 * (src/brain/cluster/coordinate.ts). A change may say `pause_for` instead, which is never stored: the clock
 * of the member that takes the change counts, and not that of the host where the command was typed.
 */
import type { JsonObject } from "./json.ts";
import { isSet } from "./merge.ts";
import { parseBool } from "./parse_bool.ts";
import { parseQuantity } from "./time_units.ts";

/** What is set and removed while a cluster runs. */
export const PAUSE_KEYS = ["pause", "pause_until"] as const;

/** A year. */
const MAX_PAUSE_S = 366 * 86_400;

/**
 * Nothing of a pause that is over is kept: it would end the next one at once. `before`: what is in force.
 * `timeIn`: the time of day in so many seconds.
 */
export function settlePause(
  { pause_for: time, ...value }: JsonObject,
  before: JsonObject | null,
  timeIn: (seconds: number) => string,
): { readonly value: JsonObject } | { readonly problem: string } {
  const paused = isPaused(value);
  const needsPause = (key: string) => ({ problem: `${key}: it needs pause: true beside it` });
  if (isSet(time)) {
    if (!paused) return needsPause("pause_for");
    const seconds = parseQuantity(time, "s");
    if (seconds === null || seconds < 1 || seconds > MAX_PAUSE_S) {
      const found = typeof time === "string" ? `, got text ${JSON.stringify(time.slice(0, 40))}` : "";
      return { problem: `pause_for: expected a time from 1s to 366d (90s, 10min, 2h, 1d)${found}` };
    }
    return { value: { ...value, pause_until: timeIn(seconds) } };
  }
  const { pause_until: end, ...rest } = value;
  if (!isSet(end)) return { value };
  const isOld = before !== null && end === before["pause_until"];
  if (!paused && !isOld) return needsPause("pause_until");
  // It would end before anybody sees it. No time at all: NaN, which the rules of the keys refuse.
  if (!isOld && Date.parse(String(end)) <= Date.parse(timeIn(0))) {
    return { problem: `pause_until: ${String(end)} is over already` };
  }
  return { value: paused && (!isOld || isPaused(before)) ? value : rest };
}

function isPaused({ pause }: JsonObject): boolean {
  return isSet(pause) && parseBool(pause) === true;
}

/** What is left when maintenance mode has ended. */
export function withoutPause({ pause: _pause, pause_until: _until, ...value }: JsonObject): JsonObject {
  return value;
}
