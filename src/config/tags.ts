/** Tags of a member: what they mean to the agent, and in which shape others see them. */
import { boundsProblem, type JsonBounds } from "../model/bounded_json.ts";
import type { Issues } from "./issues.ts";
import { nearest } from "./check.ts";
import { knownTags } from "./keys/tags.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { isNofailover, priorityOf } from "../model/nofailover.ts";
import { isWhole } from "../model/plain_text.ts";
import { isSet, parseBool } from "../model/parse_bool.ts";

export interface Tags {
  /** As published in the member's record, in the order of the file. */
  readonly tags: JsonObject;
  readonly nofailover: boolean;
  /** 0 where nofailover says so; the larger one wins among equals. */
  readonly failoverPriority: number;
}

/**
 * Bounds of the tags that one member publishes. Members judge the log by them: they must not be made smaller
 * (dcs/command_schema.ts).
 */
export const TAGS_BOUNDS: JsonBounds = { maxBytes: 16 * 1024, maxDepth: 8, maxValues: 500, maxText: 4096 };

/** Boolean tags are published only when true, or next to the priority that says the same more finely. */
const BOOLEAN_TAGS = ["clonefrom", "nofailover", "noloadbalance", "nostream", "nosync"];
const PRIORITY_OF = new Map([["nofailover", "failover_priority"], ["nosync", "sync_priority"]]);

export function readTags(section: JsonObject, issues: Issues): Tags {
  for (const [key, value] of Object.entries(section)) checkTag(key, value, issues);
  const tags = publishedTags(section);
  // If the log refused the record of a member, the member would wait for it for ever.
  const large = boundsProblem(tags, TAGS_BOUNDS);
  if (large !== null) issues.error(["tags"], `${large}: tags are kept by every member, shorten them`);
  for (const [flag, priority] of PRIORITY_OF) warnConflict(section, flag, priority, issues);
  const flag = section["nofailover"];
  const priority = priorityOf(section["failover_priority"]);
  return {
    tags,
    nofailover: isNofailover(section),
    failoverPriority: isPresent(flag) && isSet(flag) ? 0 : priority ?? 1,
  };
}

export function publishedTags(section: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(section)) {
    if (value === null || typeof value === "object") continue;
    const priority = PRIORITY_OF.get(key);
    const besidePriority = priority !== undefined && isPresent(section[priority]);
    if (!BOOLEAN_TAGS.includes(key) || isSet(value) || besidePriority) result[key] = value;
  }
  return result;
}

const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

function checkTag(key: string, value: Json, issues: Issues): void {
  const path = ["tags", key];
  const texts = [key, ...(typeof value === "string" ? [value] : [])];
  if (texts.some((text) => CONTROL.test(text) || !isWhole(text))) {
    issues.error(path, "holds a control character or line break: tags are shown in tables and on terminals");
  }
  if (value !== null && typeof value === "object") {
    issues.warning(path, "a tag is one word, number or boolean: it is ignored");
  } else if (BOOLEAN_TAGS.includes(key) && isPresent(value) && parseBool(value) === null) {
    issues.warning(path, "expected a boolean: anything else counts as true");
  } else if (PRIORITY_OF_VALUES.includes(key) && isPresent(value) && priorityOf(value) === null) {
    issues.warning(path, "expected an integer: it is ignored");
  }
  // Users may have tags of their own, so only a near miss brings a warning.
  const known = Object.keys(knownTags.shape);
  const near = known.includes(key) ? null : nearest(key, known);
  if (near) issues.warning(path, `taken as a tag of your own; did you mean tags.${near}?`);
}

const PRIORITY_OF_VALUES = [...PRIORITY_OF.values()];

/** The flag wins; scripts look for this line, so its wording (booleans included) is fixed. */
function warnConflict(section: JsonObject, flag: string, priorityTag: string, issues: Issues): void {
  const value = section[flag];
  const priority = priorityOf(section[priorityTag]);
  if (!isPresent(value) || priority === null) return;
  const set = isSet(value);
  if (set !== (priority > 0)) return;
  const shown = set ? "True" : "False";
  issues.warning(
    ["tags"],
    `Conflicting configuration between ${flag}: ${shown} and ${priorityTag}: ${priority}. Defaulting to ${flag}: ${shown}`,
  );
}

function isPresent(value: Json | undefined): value is Exclude<Json, null> {
  return value !== undefined && value !== null;
}
