/** Scheduled times, as requests name them. */

export type Schedule =
  | { readonly ok: true; readonly at: string }
  | { readonly ok: false; readonly status: number; readonly message: string };

const TIMESTAMP =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{1,2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?)?)?\s*(Z|UTC|GMT|[+-]\d{1,2}(?::?\d{2})?)?$/i;

/**
 * `at` is ISO 8601 in the given zone, as Patroni stores it. `action`: "switchover" or "restart", for the
 * message.
 */
export function parseSchedule(value: unknown, action: string, nowMs: number): Schedule {
  const match = typeof value === "string" ? TIMESTAMP.exec(value.trim()) : null;
  const unparsable: Schedule = {
    ok: false,
    status: 422,
    message: "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601",
  };
  if (match === null) return unparsable;
  const [, year, month, day, hour = "00", minute = "00", second = "00", fraction = "", zone] = match;
  const time = `${year}-${month}-${day}T${hour.padStart(2, "0")}:${minute}:${second}`;
  if (Number.isNaN(Date.parse(`${time}Z`)) || !isCalendarDay(Number(year), Number(month), Number(day))) {
    return unparsable;
  }
  if (zone === undefined) {
    return {
      ok: false,
      status: 400,
      message: `Timezone information is mandatory for the scheduled ${action}`,
    };
  }
  const at = `${time}${fraction === "" ? "" : `.${fraction.slice(0, 6)}`}${normalZone(zone)}`;
  const atMs = Date.parse(at.replace(/(\.\d{3})\d+/, "$1"));
  if (Number.isNaN(atMs)) return unparsable;
  if (atMs < nowMs) return { ok: false, status: 422, message: `Cannot schedule ${action} in the past` };
  return { ok: true, at };
}

/** Date.parse takes 31 February for 3 March. */
function isCalendarDay(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

function normalZone(zone: string): string {
  const match = /^([+-])(\d{1,2}):?(\d{2})?$/.exec(zone);
  return match ? `${match[1]}${match[2]!.padStart(2, "0")}:${match[3] ?? "00"}` : "+00:00";
}
