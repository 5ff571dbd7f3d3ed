/**
 * Keeps the last decisions with their reasons, to answer "why did it do that?". Repetitions are kept once.
 */
import type { DecisionRecord } from "../../api/port.ts";
import type { Json } from "../../model/json.ts";

const KEPT = 200;

export class DecisionLog {
  #entries: DecisionRecord[] = [];
  #last = new Map<string, string>();

  /**
   * `by`: who decides (keeper, coordinator). True when it differs from the last decision of the same decider.
   */
  record(by: string, at: string, rule: string, reason: string, actions: readonly unknown[]): boolean {
    const text = `${rule}\n${reason}\n${actions.length === 0 ? "" : JSON.stringify(actions)}`;
    if (this.#last.get(by) === text) return false;
    this.#last.set(by, text);
    this.#entries.push({ at, rule, reason, actions: actions as Json[] });
    if (this.#entries.length > KEPT) this.#entries.shift();
    return true;
  }

  entries(): readonly DecisionRecord[] {
    return this.#entries;
  }
}
