/**
 * The rules of the brain, of a node and of the cluster: each has a name, words for people, and a pure
 * function.
 */

export interface Rule<View, Outcome> {
  /** Unique in its table, in kebab-case: shown with each decision, and the key into docs/decisions.md. */
  readonly name: string;
  /** When it applies, and what it decides then. A sentence each, for docs/decisions.md. */
  readonly when: string;
  readonly then: string;
  /** null: the rule does not apply. */
  readonly decide: (view: View) => Outcome | null;
}

/** The first rule that applies, and what it decides; null: none does. */
export function firstOf<View, Outcome>(
  rules: readonly Rule<View, Outcome>[],
  view: View,
): { readonly rule: Rule<View, Outcome>; readonly outcome: Outcome } | null {
  for (const rule of rules) {
    const outcome = rule.decide(view);
    if (outcome !== null) return { rule, outcome };
  }
  return null;
}
