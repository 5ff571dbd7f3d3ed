/** Scheduled times, as requests name them. */
import { readTimestamp } from "../lib/timestamp.ts";

export type Schedule =
  | { readonly ok: true; readonly at: string }
  | { readonly ok: false; readonly status: number; readonly message: string };

/**
 * `at` is ISO 8601 in the given zone, as Patroni stores it. `action`: "switchover" or "restart", for the
 * message.
 */
export function parseSchedule(value: unknown, action: string, nowMs: number): Schedule {
  const read = typeof value === "string" ? readTimestamp(value) : null;
  const unparsable: Schedule = {
    ok: false,
    status: 422,
    message: "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601",
  };
  if (read === null) return unparsable;
  if (read.zone === null) {
    return {
      ok: false,
      status: 400,
      message: `Timezone information is mandatory for the scheduled ${action}`,
    };
  }
  const at = `${read.time}${read.zone}`;
  const atMs = Date.parse(at.replace(/(\.\d{3})\d+/, "$1"));
  if (Number.isNaN(atMs)) return unparsable;
  if (atMs < nowMs) return { ok: false, status: 422, message: `Cannot schedule ${action} in the past` };
  return { ok: true, at };
}
