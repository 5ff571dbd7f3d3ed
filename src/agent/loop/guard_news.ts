/**
 * Tells an answer of the guard that says something new from one that only shows it is there. Everything
 * counts as new but the times that each answer moves: when it came, the deadline, and the guard's clocks. A
 * field of a later release is new when it changes, until it is named here.
 */
import type { GuardView } from "../../model/guard_view.ts";

export class GuardNews {
  #last = "";

  /** Whether more than times differ from the view before. */
  look({ lastAnswerMs, armed, lateMs: _lateMs, clocks: _clocks, ...rest }: GuardView): boolean {
    const bound = armed === null ? null : [armed.epoch, armed.unfenced];
    const text = JSON.stringify([lastAnswerMs === null, bound, rest]);
    const isNew = text !== this.#last;
    this.#last = text;
    return isNew;
  }
}
