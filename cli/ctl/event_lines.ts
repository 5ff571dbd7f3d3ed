/** Events as people read them, one line each: `agent ctl events` and `why`. */
import type { EventJson } from "../../src/api/client.ts";
import { plainLine } from "../../src/model/plain_text.ts";

/** The figures that the text does not say already, in their order. */
const FIGURES: readonly (readonly [fact: keyof NonNullable<EventJson["facts"]>, unit: string])[] = [
  ["epoch", ""],
  ["timeline", ""],
  ["lsn", ""],
  ["took_ms", " ms"],
  ["revision", ""],
];

export function eventLine(event: EventJson): string {
  const { id, at, member, by, kind, text, times, first_at: firstAt } = event;
  const often = times === undefined
    ? ""
    : ` (${times} times${firstAt === undefined ? "" : ` since ${firstAt}`})`;
  const through = by === undefined || text.includes(by) ? "" : ` (by ${by})`;
  return plainLine(`#${id} ${at} ${member} ${kind}: ${text}${often}${figures(event)}${through}`);
}

/** What led to it; null: nothing that is known of. */
export function causeLine({ because, earlier_gone: gone }: EventJson): string | null {
  if (gone === true) return "because of an event before these: earlier events are gone";
  return because.length === 0 ? null : `because of ${because.map((id) => `#${id}`).join(", ")}`;
}

function figures({ facts = {}, text }: EventJson): string {
  const said = new Set(text.split(/[\s,;:()]+/));
  const shown = FIGURES.flatMap(([name, unit]) => {
    const value = facts[name];
    if (value === undefined || said.has(String(value))) return [];
    return [`${name.replace("_ms", "")} ${value}${unit}`];
  });
  return shown.length === 0 ? "" : ` [${shown.join(", ")}]`;
}
