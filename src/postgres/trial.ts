/**
 * Finds the settings that this version of PostgreSQL takes: values outside of a range are put at its end, and
 * what is not known, or has a value that is none, is left out.
 */
import type { Complaint } from "./check_conf.ts";

export type Settings = { readonly [name: string]: string };

export interface Verdict {
  /** Names that are left out. */
  readonly refused: readonly string[];
  /** Values that take the place of others, by name. */
  readonly clamped: Settings;
  /** Something else is wrong with the files: the output of `postgres`. */
  readonly problem: string | null;
}

/** Unknown names are reported first, bad values only when there are none left, and a bound may be one. */
const MAX_ROUNDS = 5;

export async function trySettings(
  settings: Settings,
  attempt: (settings: Settings) => Promise<{
    readonly ok: boolean;
    readonly complaints: readonly Complaint[];
    readonly output: string;
  }>,
): Promise<Verdict> {
  const refused: string[] = [];
  const clamped: { [name: string]: string } = {};
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { ok, complaints, output } = await attempt(accepted(settings, { refused, clamped }));
    if (ok) break;
    let isNew = false;
    for (const { name: shown, bound } of complaints) {
      const name = Object.keys(settings).find((one) => one.toLowerCase() === shown.toLowerCase());
      if (name === undefined || refused.includes(name)) continue;
      isNew = true;
      if (bound !== null && !Object.hasOwn(clamped, name)) clamped[name] = bound;
      else {
        refused.push(name);
        delete clamped[name];
      }
    }
    if (!isNew) return { refused, clamped, problem: output };
  }
  return { refused, clamped, problem: null };
}

/** What goes into the file. */
export function accepted(
  settings: Settings,
  { refused, clamped }: Pick<Verdict, "refused" | "clamped">,
): Settings {
  const rest = Object.entries(settings).filter(([name]) => !refused.includes(name));
  return { ...Object.fromEntries(rest), ...clamped };
}

/** Patroni's words for what becomes of each parameter. */
export function describeVerdict(settings: Settings, { refused, clamped }: Verdict): readonly string[] {
  return [
    ...Object.entries(clamped).map(([name, bound]) =>
      `Value=${settings[name]} of parameter=${name} is outside of its range, ${bound} is used`
    ),
    ...refused.map((name) =>
      `Removing unexpected parameter=${name} value=${settings[name] ?? ""} from the config`
    ),
  ];
}
