/** The decision of a keeper's rule, and the words that most rules use. */
import type { Action } from "../actions.ts";
import type { Rule } from "../rule.ts";
import type { NodeView } from "./view.ts";

/** A decision, before the name of its rule is put to it. */
export interface Outcome {
  readonly reason: string;
  readonly actions: readonly Action[];
  readonly mayLeave?: boolean;
}

export type NodeRule = Rule<NodeView, Outcome>;

export const decide = (reason: string, ...actions: Action[]): Outcome => ({ reason, actions });

export const mayLeave = (reason: string): Outcome => ({ reason, actions: [], mayLeave: true });

/**
 * Begins to make a data directory where none is, or promises to. Not before the guard and the directory have
 * been asked whether a server runs here: right after its start an agent does not know.
 */
export const make = (reason: string, view: NodeView, ...actions: Action[]): Outcome =>
  view.postgres.process === "none"
    ? decide(reason, ...actions)
    : decide("nothing is made here before it is known that no server runs here");

/** Ends every process of PostgreSQL at once. */
export const kill = (reason: string): Outcome =>
  decide(reason, { kind: "stop", how: "kill", checkpoint: false });

/**
 * Gives the present epoch back because nothing here can become a primary. This member sits out for a while,
 * so that another one is tried. `how`: see the action.
 */
export const letGo = (reason: string, view: NodeView, how: { readonly unclean?: true } = {}): Outcome =>
  decide(reason, { kind: "release", epoch: view.dcs.lock.epoch, unable: true, ...how });

/** Gives the present epoch back. */
export const release = (reason: string, view: NodeView): Outcome =>
  decide(reason, { kind: "release", epoch: view.dcs.lock.epoch });
