/** What a node does whose watchdog is required and cannot be used. */
import { expect, test } from "bun:test";
import { holder, node, postgres, PRIMARY_DIRECTORY, STOPPED } from "../testing.ts";
import { WATCHDOG } from "./watchdog.ts";
import { keep } from "./rules.ts";
import { type Case, decides, FAST_AFTER_CHECKPOINT, LET_GO } from "./testing.ts";

const CASES: readonly Case[] = [
  [
    "a primary stops in order, and then hands over",
    { ...holder(), watchdogFailed: true },
    "watchdog-demote",
    FAST_AFTER_CHECKPOINT,
  ],
  [
    "a holder that is a standby still hands over at once",
    { ...holder({ postgres: postgres() }), watchdogFailed: true },
    "watchdog-hand-over",
    LET_GO,
  ],
  [
    "a holder without a running PostgreSQL hands over at once",
    { ...holder({ postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) }), watchdogFailed: true },
    "watchdog-hand-over",
    LET_GO,
  ],
];

decides(WATCHDOG, CASES);

test("a standby goes on as it is", () => {
  expect(keep(node({ watchdogFailed: true }))).toEqual(keep(node()));
});
