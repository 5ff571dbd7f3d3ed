/** `postgresql.rejoin`, and `use_pg_rewind`, which stands for it where it is not set. */
import { REJOIN_WAYS, type RejoinWay } from "../model/config.ts";
import type { JsonObject } from "../model/json.ts";
import { isSet } from "../model/merge.ts";
import { parseBool } from "../model/parse_bool.ts";
import { textList } from "./fields.ts";
import { describeValue } from "./issues.ts";
import type { Issues, Path } from "./issues.ts";

/** The ways in force. The values of the section were judged before. */
export function readRejoin(section: JsonObject): readonly RejoinWay[] {
  const named = waysOf(section);
  if (named !== null) return REJOIN_WAYS.filter((way) => named.includes(way));
  return parseBool(section["use_pg_rewind"]) ? ["rewind", "reclone"] : ["reclone"];
}

function waysOf(section: JsonObject): readonly string[] | null {
  const list = isSet(section["rejoin"]) ? textList.safeParse(section["rejoin"]).data ?? [] : [];
  return list.length === 0 ? null : list;
}

export function checkRejoin(section: JsonObject, path: Path, issues: Issues): void {
  const { rejoin } = section;
  if (!isSet(rejoin)) return;
  const inner = [...path, "rejoin"];
  const named = textList.safeParse(rejoin).data;
  if (named === undefined) return;
  const unknown = named.find((way) => !REJOIN_WAYS.some((known) => known === way));
  if (unknown !== undefined) {
    return issues.error(
      inner,
      `expected some of ${REJOIN_WAYS.join(", ")}, got ${describeValue(inner, unknown)}`,
    );
  }
  const inOrder = REJOIN_WAYS.filter((way) => named.includes(way));
  if (named.length === 0) return issues.error(inner, `expected some of ${REJOIN_WAYS.join(", ")}`);
  if (named.join() !== inOrder.join()) {
    return issues.error(inner, `is tried in the order rewind, reclone, hold: write [${inOrder.join(", ")}]`);
  }
  const asked = parseBool(section["use_pg_rewind"]);
  if (asked !== null && asked !== inOrder.includes("rewind")) {
    issues.warning([...path, "use_pg_rewind"], "has no effect beside rejoin, which says otherwise");
  }
}
