/**
 * The configurations before the present one, so that a change can be looked at and taken back
 * (docs/adr/0009-config-history.md). Bounded in number and size: every snapshot carries them.
 */
import type { ConfigRecord, DcsState, FormerConfig } from "../model/records.ts";
import type { Command } from "./command.ts";
import type { Outcome } from "./outcome.ts";

export const MAX_FORMER_CONFIGS = 20;
/** Characters of all of them as JSON: a configuration of a usual size has two thousand. */
export const MAX_FORMER_CHARACTERS = 128 * 1024;

type Records = Pick<DcsState, "config" | "configHistory">;

/** `keepsFormer`: at this place of the log. Before, members of older versions would have other records. */
export function setConfig(
  { config, configHistory = [] }: Records,
  { value, expectRevision, at, by }: Extract<Command, { op: "setConfig" }>,
  revision: number,
  keepsFormer: boolean,
): Outcome {
  if ((config?.revision ?? null) !== expectRevision) {
    return { refuse: "configuration has changed", code: "config-changed" };
  }
  if (!keepsFormer) return { change: { config: { value, revision } } };
  const isSame = config !== null && JSON.stringify(config.value) === JSON.stringify(value);
  const history = config === null || isSame ? configHistory : bounded([...configHistory, former(config)]);
  return { change: { config: { value, revision, at, by }, configHistory: history } };
}

function former({ value, revision, at, by }: ConfigRecord): FormerConfig {
  return { value, revision, at: at ?? null, by: by ?? null };
}

/** The latest ones, without a gap: an older one is of no use where the one after it is not known. */
function bounded(history: readonly FormerConfig[]): readonly FormerConfig[] {
  let characters = 0;
  let first = history.length;
  while (first > 0 && history.length - first < MAX_FORMER_CONFIGS) {
    characters += JSON.stringify(history[first - 1]).length;
    if (characters > MAX_FORMER_CHARACTERS) break;
    first--;
  }
  return history.slice(first);
}
