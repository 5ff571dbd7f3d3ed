/** The keys of the section watchdog. Their values are read leniently (watchdog.ts). */
import { anything, section } from "../fields.ts";
import { key } from "./row.ts";

export const watchdogSchema = section({
  mode: key(anything, {
    default: "`automatic`",
    effect: "reload",
    meaning:
      "`off`; `automatic`: used where there is one; `required`: without one this member never becomes primary",
  }),
  device: key(anything, { default: "`/dev/watchdog`", effect: "reload", meaning: "the device" }),
  safety_margin: key(anything, {
    default: "5 s where `ttl` is at least 20, else `-1`",
    effect: "reload",
    meaning: "the watchdog fires that much before `ttl`; `-1`: at half of it",
  }),
  driver: key(anything, {
    default: "`default`",
    effect: "restart",
    meaning: "`testing` writes what a driver would do to a file or FIFO",
  }),
});
