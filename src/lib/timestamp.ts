/** Times as people and programs write them in requests, commands and scripts. */

const TIMESTAMP =
  /^(\d{4})(-?)(\d{2})\2(\d{2})(?:[T ](\d{1,2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?)?)?\s*(Z|UTC|GMT|[+-]\d{1,2}(?::?\d{2})?)?$/i;

export interface Timestamp {
  /** YYYY-MM-DDTHH:MM:SS, with up to six digits of a fraction where it has one. */
  readonly time: string;
  /** +HH:MM or -HH:MM; null: none is given. */
  readonly zone: string | null;
}

/** ISO 8601, in its long and its short form, as requests and commands name a time; null: it is none. */
export function readTimestamp(text: string): Timestamp | null {
  const match = TIMESTAMP.exec(text.trim());
  if (match === null) return null;
  const [, year, , month, day, hour = "00", minute = "00", second = "00", fraction = "", zone] = match;
  const time = `${year}-${month}-${day}T${hour.padStart(2, "0")}:${minute}:${second}`;
  if (Number.isNaN(Date.parse(`${time}Z`)) || !isCalendarDay(Number(year), Number(month), Number(day))) {
    return null;
  }
  return {
    time: fraction === "" ? time : `${time}.${fraction.slice(0, 6)}`,
    zone: zone === undefined ? null : normalZone(zone),
  };
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
