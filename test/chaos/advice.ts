/** The member that the agents advise an operator to let lead; null: none, or it takes another command. */
export function adviceFor(operatorNeeded: string): string | null {
  return /: agent ctl failover --candidate (\S+)$/.exec(operatorNeeded)?.[1] ?? null;
}
