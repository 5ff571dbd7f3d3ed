/**
 * Asks every member what it finds in a configuration before it becomes the cluster's: only the member itself
 * knows its PostgreSQL and its libraries. A member that does not answer keeps no change from being made.
 */
import { CONFIG_CHECK, parseAnswer } from "../../api/answers.ts";
import type { LocalConfig } from "../../model/config.ts";
import { type ConfigCheck, NOTHING_FOUND } from "../../model/config_check.ts";
import type { JsonObject } from "../../model/json.ts";
import { clientOf } from "./ask_member.ts";

/** A trial of the files takes half a second; on a host that is overloaded, some. */
const TIMEOUT_MS = 15_000;

export interface CheckOptions {
  readonly config: () => LocalConfig;
  /** Members beside this one, with their api_url; null: it is not heard. */
  readonly others: () => readonly { readonly name: string; readonly apiUrl: string | null }[];
  /** What this node finds; a witness finds nothing. */
  readonly own: (value: JsonObject) => Promise<ConfigCheck>;
}

/** What a member alone can judge: its PostgreSQL, and the server that it would follow. */
const ASKED_ABOUT = ["postgresql", "standby_cluster"] as const;

/** Nobody is asked where nothing of that changes. */
export async function checkEverywhere(
  { config, others, own }: CheckOptions,
  value: JsonObject,
  present: JsonObject | null,
): Promise<ConfigCheck> {
  const isKept = (key: string) => JSON.stringify(value[key]) === JSON.stringify(present?.[key]);
  if (ASKED_ABOUT.every(isKept)) return NOTHING_FOUND;
  const client = clientOf(config(), TIMEOUT_MS);
  const ask = async (name: string, apiUrl: string | null): Promise<ConfigCheck> => {
    const notAsked = (why: string) => ({ refusals: [], warnings: [`${name}: did not judge it (${why})`] });
    if (apiUrl === null) return notAsked("it is not heard");
    if (typeof client === "string") return notAsked(client);
    const reply = await client.request(apiUrl, "POST", "/agent/config/check", { body: { config: value } });
    if (!reply.ok) return notAsked(reply.error);
    // One of an older version knows no such question.
    if (reply.status === 501) return NOTHING_FOUND;
    if (reply.status !== 200) return notAsked(`it answered ${reply.status}`);
    const parsed = parseAnswer(reply.text, CONFIG_CHECK);
    return parsed.ok ? named(name, parsed.value) : notAsked(parsed.problem);
  };
  const found = await Promise.all([
    own(value).then((check) => named(config().name, check)),
    ...others().map(({ name, apiUrl }) => ask(name, apiUrl)),
  ]);
  return {
    refusals: found.flatMap(({ refusals }) => refusals),
    warnings: together(found.flatMap(({ warnings }) => warnings)),
  };
}

function named(name: string, { refusals, warnings }: ConfigCheck): ConfigCheck {
  const of = (text: string) => `${name}: ${text}`;
  return { refusals: refusals.map(of), warnings: warnings.map(of) };
}

/** What several members say alike is said once, for all of them. */
function together(lines: readonly string[]): string[] {
  const names = new Map<string, string[]>();
  for (const line of lines) {
    const at = line.indexOf(": ");
    const text = line.slice(at + 2);
    names.set(text, [...names.get(text) ?? [], line.slice(0, at)]);
  }
  return [...names].map(([text, of]) => `${of.join(", ")}: ${text}`);
}
