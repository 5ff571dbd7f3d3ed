/** Broken rules of the events in the records: what is kept, told once and slowly, and led to its cause. */
import { type Mutation, mutationsOf } from "./mutation.ts";

export const EVENT_MUTATIONS: readonly Mutation[] = [
  ...mutationsOf("src/dcs/events.ts", ["src/dcs/events.test.ts"], [
    ["events-without-size", "characters > MAX_EVENT_CHARACTERS && first < events.length", "false"],
    ["event-told-twice", "if (!isKnown(after, event)) after =", "after ="],
    [
      "event-counted-over-another",
      "findLastIndex(({ member }) => member === event.member)",
      "findLastIndex(({ kind }) => kind === event.kind)",
    ],
  ]),
  ...mutationsOf("src/dcs/state_machine.ts", ["src/dcs/events.test.ts"], [
    ["events-typed-too-early", "version >= TYPED_EVENTS_SINCE", "true"],
  ]),
  ...mutationsOf("src/brain/cluster/event_causes.ts", ["src/brain/cluster/event_causes.test.ts"], [
    ["cause-of-another-epoch", "&& one.facts?.epoch === facts.epoch && fits(one)", "&& fits(one)"],
    ["crash-that-had-passed-blamed", "last !== undefined && isTrouble(last)", "last !== undefined"],
  ]),
  ...mutationsOf("src/brain/cluster/why.ts", ["src/brain/cluster/why.test.ts"], [
    ["silent-holder-said-to-write", "seen.ageMs <= heardWithinMs(view.dynamic)", "seen.ageMs >= 0"],
    ["chain-of-another-epoch", " && (event.facts?.epoch ?? epoch) === epoch", ""],
  ]),
  ...mutationsOf("src/agent/loop/event_delivery.ts", ["src/agent/loop/event_delivery.test.ts"], [
    ["event-lost-with-its-answer", "if (isThere) {", "if (true) {"],
    ["event-sent-that-older-members-refuse", "one.free && isKnown(one)", "one.free"],
  ]),
  ...mutationsOf("src/agent/lease/event_allowance.ts", ["src/agent/lease/event_allowance.test.ts"], [
    ["flapping-fills-the-log", "left: now - 1", "left: now"],
    ["flapping-for-a-night-fills-the-log", "Math.min(2 * pauseMs, MAX_PAUSE_MS)", "pauseMs"],
  ]),
  ...mutationsOf("src/dcs/commands.ts", ["src/dcs/losses.test.ts"], [
    ["loss-applied-by-some-members-only", "&& tellsLoss(fields.events)", "&& false"],
  ]),
  ...mutationsOf("src/dcs/losses.ts", ["src/dcs/losses.test.ts"], [
    ["losses-without-bound", "found.slice(-MAX_LOSSES)", "found"],
    ["loss-kept-with-each-telling", "all.some((one) => isSame(one, loss))", "false"],
  ]),
  ...mutationsOf("src/postgres/parting.ts", ["src/postgres/parting.test.ts"], [
    ["loss-from-the-wrong-fork", "return Math.min(end, other[1]);", "return other[1];"],
    ["loss-on-one-timeline-guessed", "at < lines.length - 1 && end <= otherLsn", "end <= otherLsn"],
    ["loss-without-the-lock-guessed", "wroteBefore(own.wroteAlone,", "wroteBefore(null,"],
  ]),
  ...mutationsOf("src/postgres/wal_room.ts", ["src/postgres/wal_room.test.ts"], [
    ["kept-wal-fills-the-disk", "SHARE_OF_FREE * freeBytes)", "freeBytes)"],
    ["kept-wal-of-all-failovers-fills-the-disk", "taken > MAX_ROOM_BYTES)", "false)"],
    [
      "kept-wal-changed-under-the-copy",
      "  // The rejoin may have begun to change the last file while it was copied.\n  check();",
      "",
    ],
  ]),
  ...mutationsOf("src/brain/cluster/presence.ts", ["src/brain/cluster/presence.test.ts"], [
    ["lost-again-and-again", "if (wasLost || silentMs <", "if (silentMs <"],
  ]),
];
