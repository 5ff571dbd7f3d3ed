/** Times as the user types and reads them: local. */
import { readTimestamp } from "../../src/lib/timestamp.ts";
import { CtlError } from "./errors.ts";

/** Now, with `digits` of the second (0 to 5), as patronictl stamps its lines. */
export function timestamp(digits: number, now = new Date()): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  const time = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
  const fraction = `${String(now.getMilliseconds()).padStart(3, "0")}00`.slice(0, digits);
  return `${date} ${time}${digits === 0 ? "" : `.${fraction}`}`;
}

/** An example for questions: in an hour, to the minute. */
export function nextHour(now = new Date()): string {
  return timestamp(0, new Date(now.getTime() + 3_600_000)).slice(0, 16).replace(" ", "T");
}

/** null for "now"; else ISO 8601 with a zone, the local one if none was given. Throws CtlError. */
export function parseScheduled(text: string | null): string | null {
  if (text === null || text === "" || text === "now") return null;
  const read = readTimestamp(text);
  if (read === null) {
    throw new CtlError(
      `Unable to parse scheduled timestamp (${text}). It should be in an unambiguous format (e.g. ISO 8601)`,
    );
  }
  return `${read.time}${read.zone ?? localZone(new Date(read.time))}`;
}

function localZone(at: Date): string {
  const minutes = -at.getTimezoneOffset();
  const two = (value: number) => String(value).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${
    two(Math.abs(minutes) % 60)
  }`;
}
