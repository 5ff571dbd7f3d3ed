/** What a rule of the keeper is: a name, words for people, and a pure function of the view. */
import type { Action } from "../actions.ts";
import type { NodeView } from "./view.ts";

/** What a rule decides, before its name is put to it. */
export interface Outcome {
  readonly reason: string;
  readonly actions: readonly Action[];
  readonly mayLeave?: boolean;
}

export interface Rule {
  /** Unique, in kebab-case: shown with each decision, and the key into docs/decisions.md. */
  readonly name: string;
  /** When it applies, and what it decides then. A sentence each, for docs/decisions.md. */
  readonly when: string;
  readonly then: string;
  /** null: the rule does not apply. */
  readonly decide: (view: NodeView) => Outcome | null;
}

export const decide = (reason: string, ...actions: Action[]): Outcome => ({ reason, actions });

export const mayLeave = (reason: string): Outcome => ({ reason, actions: [], mayLeave: true });

/** Ends every process of PostgreSQL at once. */
export const kill = (reason: string): Outcome =>
  decide(reason, { kind: "stop", how: "kill", checkpoint: false });

/** Gives the present epoch back. */
export const release = (reason: string, view: NodeView): Outcome =>
  decide(reason, { kind: "release", epoch: view.dcs.lock.epoch });
