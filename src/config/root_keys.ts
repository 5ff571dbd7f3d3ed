/** Keys at the root of the local file: which of them have no effect there, and which are unknown. */
import { warnUnknownKeys } from "./check.ts";
import type { Issues } from "./issues.ts";
import { DYNAMIC_ROOT_KEYS, FALLBACKS } from "./keys/dynamic.ts";
import { localSchema, OTHER_STORES, rootSchema } from "./keys/root.ts";
import { warnWithoutEffect } from "./keys/row.ts";
import type { JsonObject } from "../model/json.ts";
import { isJsonObject } from "../model/merge.ts";
import { textOf } from "../model/text_of.ts";

const RESERVED = ["router", "vip", "dashboard"];

export function warnRootKeys(root: JsonObject, issues: Issues): void {
  const dynamic = DYNAMIC_ROOT_KEYS;
  const stores: readonly string[] = OTHER_STORES;
  for (const key of Object.keys(root)) {
    if (stores.includes(key)) {
      issues.warning([key], "is ignored: the members form their own quorum (section raft)");
    } else if (key === "citus") issues.warning([key], "is not supported and has no effect");
    else if (RESERVED.includes(key)) issues.warning([key], "is reserved and has no effect in this version");
    else if (FALLBACKS.includes(key)) {
      issues.warning(
        [key],
        "belongs to the dynamic configuration (bootstrap.dcs, then `agent ctl edit-config`): used here only while that has none",
      );
    } else if (dynamic.includes(key)) {
      issues.warning(
        [key],
        "has no effect in the local file: set it in the dynamic configuration (bootstrap.dcs, then `agent ctl edit-config`)",
      );
    }
  }
  warnWithoutEffect(rootSchema, root, [], issues);
  const otherwiseHandled = [...dynamic, ...stores, ...RESERVED, "citus"];
  const checked = Object.fromEntries(
    Object.entries(root).filter(([key]) => key !== "postgresql" && key !== "watchdog"),
  );
  const bootstrap = root["bootstrap"];
  if (isJsonObject(bootstrap)) {
    // The section of a custom method carries the method's name.
    const { [textOf(bootstrap["method"])]: _custom, ...known } = bootstrap;
    checked["bootstrap"] = known;
  }
  warnUnknownKeys(localSchema, checked, [], issues, otherwiseHandled);
}
