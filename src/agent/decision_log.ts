/** The last decisions with their reasons: "why did it do that?" has an answer. Repetitions are kept once. */
import type { Json } from "../model/json.ts";

export interface DecisionEntry {
  readonly at: string;
  readonly reason: string;
  readonly actions: readonly Json[];
}

const KEPT = 200;

export class DecisionLog {
  #entries: DecisionEntry[] = [];
  #last = new Map<string, string>();

  /** `by`: who decides (keeper, coordinator). True when it differs from that one's last decision. */
  record(by: string, at: string, reason: string, actions: readonly unknown[]): boolean {
    const text = `${reason}\n${JSON.stringify(actions)}`;
    if (this.#last.get(by) === text) return false;
    this.#last.set(by, text);
    this.#entries.push({ at, reason, actions: actions as Json[] });
    if (this.#entries.length > KEPT) this.#entries.shift();
    return true;
  }

  entries(): readonly DecisionEntry[] {
    return this.#entries;
  }
}
