/** Name of a member's replication slot: what Patroni makes of the member's name (compatibility.md 5.2). */

export function slotName(member: string): string {
  let name = "";
  for (const character of member.toLowerCase()) {
    if (/[a-z0-9_]/.test(character)) name += character;
    else if (character === "-" || character === ".") name += "_";
    else name += `u${character.codePointAt(0)!.toString().padStart(4, "0")}`;
  }
  return name.slice(0, 63);
}
