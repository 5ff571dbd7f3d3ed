/**
 * Name of a member's replication slot: what Patroni makes of the member's name (docs/compatibility.md section
 * 5.2).
 */

const MAX_LENGTH = 63;

export function slotName(member: string): string {
  return wholeSlotName(member).slice(0, MAX_LENGTH);
}

/**
 * PostgreSQL allows no longer name: the rest is cut off, and members whose names differ only there share a
 * slot.
 */
export function isSlotNameCut(member: string): boolean {
  return wholeSlotName(member).length > MAX_LENGTH;
}

/**
 * The member that has the slot of this one's name, when that is another one: `a-b` and `a.b` both have a_b,
 * and only one of them can stream. `members`: all names in the order in which they joined, which is that of
 * the records; the later one has to give way. null: the slot is this member's own.
 */
export function slotTakenBy(member: string, members: readonly string[]): string | null {
  const slot = slotName(member);
  const first = members.find((other) => slotName(other) === slot);
  return first === undefined || first === member ? null : first;
}

function wholeSlotName(member: string): string {
  let name = "";
  for (const character of member.toLowerCase()) {
    if (/[a-z0-9_]/.test(character)) name += character;
    else if (character === "-" || character === ".") name += "_";
    else name += `u${character.codePointAt(0)!.toString().padStart(4, "0")}`;
  }
  return name;
}
