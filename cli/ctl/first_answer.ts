/**
 * Asks several in turn without waiting long for one that is dead: the next is asked as soon as one is slow.
 */

export type Answer<T> =
  | { readonly kind: "good"; readonly value: T }
  /** Used if there is no good answer. */
  | { readonly kind: "poor"; readonly value: T }
  | { readonly kind: "none"; readonly why: string };

export interface Found<T> {
  readonly answer: Answer<T> | null;
  /** Why each of the others failed, by its name. */
  readonly failures: readonly string[];
}

const SLOW_MS = 200;

/** The first good answer, else the first poor one, else what went wrong. */
export function firstAnswer<T>(
  bases: readonly string[],
  ask: (base: string) => Promise<Answer<T>>,
): Promise<Found<T>> {
  return new Promise((resolve) => {
    const failures: string[] = [];
    let poor: Answer<T> | null = null;
    let asked = 0;
    let open = 0;
    const finish = (answer: Answer<T> | null) => {
      clearInterval(timer);
      resolve({ answer, failures });
    };
    const askNext = () => {
      const base = bases[asked++];
      if (base === undefined) return;
      open++;
      void ask(base).then((answer) => {
        open--;
        if (answer.kind === "good") return finish(answer);
        if (answer.kind === "poor") poor ??= answer;
        else failures.push(`${base}: ${answer.why}`);
        if (asked < bases.length) askNext();
        else if (open === 0) finish(poor);
      });
    };
    const timer = setInterval(askNext, SLOW_MS);
    if (bases.length === 0) finish(null);
    else askNext();
  });
}
