/** The watchdog section. An unknown mode switches the watchdog off, with an error in the log. */
import type { WatchdogConfig } from "../model/config.ts";
import { check, expected } from "./check.ts";
import { file, readText } from "./fields.ts";
import { watchdogSchema } from "./keys/watchdog.ts";
import type { Issues, Path } from "./issues.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { MAX_TTL_S } from "../model/limits.ts";
import { parseQuantity } from "../model/time_units.ts";
import { textOf } from "../model/text_of.ts";

const PATH: Path = ["watchdog"];
const DEVICE = "/dev/watchdog";
const DRIVERS = ["default", "testing"];

export function buildWatchdog(section: JsonObject, issues: Issues): WatchdogConfig {
  for (const key of Object.keys(section)) {
    if (!Object.hasOwn(watchdogSchema.shape, key)) {
      issues.warning([...PATH, key], "options of a watchdog driver are not supported and have no effect");
    }
  }
  return {
    mode: mode(section["mode"], issues),
    device: device(section["device"], issues),
    safetyMarginS: safetyMargin(section["safety_margin"], issues),
    driver: driver(section["driver"], issues),
  };
}

function mode(value: Json | undefined, issues: Issues): WatchdogConfig["mode"] {
  if (value === undefined) return "automatic";
  switch (textOf(value).toLowerCase()) {
    case "off":
    case "false":
    case "disable":
    case "disabled":
      return "off";
    case "automatic":
    case "auto":
      return "automatic";
    case "required":
    case "require":
      return "required";
    default:
      issues.warning(
        [...PATH, "mode"],
        `${expected("one of off, automatic, required", [...PATH, "mode"], value)}: the watchdog is off`,
      );
      return "off";
  }
}

function safetyMargin(value: Json | undefined, issues: Issues): number | null {
  if (value === undefined) return null;
  const seconds = parseQuantity(value, "s");
  if (seconds !== null && seconds >= -1 && seconds <= MAX_TTL_S) return seconds;
  const path = [...PATH, "safety_margin"];
  issues.error(path, expected(`seconds from 0 to ${MAX_TTL_S} (-1: half the ttl)`, path, value));
  return null;
}

function driver(value: Json | undefined, issues: Issues): string {
  const name = readText(value) || "default";
  if (DRIVERS.includes(name)) return name;
  issues.error([...PATH, "driver"], expected(`one of ${DRIVERS.join(", ")}`, [...PATH, "driver"], value));
  return "default";
}

function device(value: Json | undefined, issues: Issues): string {
  if (value === undefined) return DEVICE;
  return check(file, value, [...PATH, "device"], issues) || DEVICE;
}
