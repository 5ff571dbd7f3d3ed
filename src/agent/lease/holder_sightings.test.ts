import { expect, test } from "bun:test";
import { lock, seen, status } from "../../brain/testing.ts";
import type { WitnessNotice } from "../../model/witness_notice.ts";
import { HolderSightings, sightingOf } from "./holder_sightings.ts";

const HELD = lock({ epoch: 3, holder: "a" });
const holder = (change: object) =>
  status("a", { epochSeen: 3, running: true, writable: true, walLsn: 700, ...change });
const heard = (...statuses: ReturnType<typeof status>[]) => {
  const sightings = new HolderSightings();
  for (const one of statuses) sightings.heard(one, HELD);
  return sightings;
};

test("a holder has been seen when it says that its PostgreSQL runs under its epoch", () => {
  expect(heard(holder({})).last).toEqual({ epoch: 3, lsn: 700 });
  expect(heard(holder({ writable: false, walLsn: null })).last).toEqual({ epoch: 3, lsn: null });
});

test("an agent whose PostgreSQL is dead, one of an older epoch and a standby prove nothing", () => {
  for (const one of [holder({ running: false }), holder({ epochSeen: 2 }), status("b", { epochSeen: 3 })]) {
    expect(heard(one).last).toEqual({ epoch: 0, lsn: null });
  }
});

test("a namesake of the holder proves nothing; one that does not say which machine it is counts by its name", () => {
  const life = { node: 1, machine: "m1", boot: "b1" };
  const granted = lock({ epoch: 3, holder: "a", life });
  const seenBy = (change: object) => {
    const sightings = new HolderSightings();
    sightings.heard(holder(change), granted);
    return sightings.last.epoch;
  };
  expect(seenBy({ life: { ...life, machine: "m2" } })).toBe(0);
  expect(seenBy({ life: { ...life, boot: "b2" } })).toBe(3);
  expect(seenBy({ life: undefined })).toBe(3);
});

test("the position belongs to the epoch: that of an older one counts no more", () => {
  const sightings = heard(holder({}));
  sightings.seen(4);
  expect(sightings.last).toEqual({ epoch: 4, lsn: null });
  sightings.seen(3);
  sightings.heard(holder({ walLsn: 900 }), HELD);
  expect(sightings.last).toEqual({ epoch: 4, lsn: null });
});

const NOTICE: WitnessNotice = { name: "w", raftAddr: "w:1", apiUrl: "http://w/patroni", canLose: null };
const NOTHING = { epoch: 0, lsn: null };

test("a witness's sighting counts, with the position that bounds what the standby may have missed", () => {
  const told = { ...NOTICE, holderSeenEpoch: 3, holderLsn: 5000 };
  const member = seen(status("b", { holderSeenEpoch: 3, holderLsn: 4000 }));
  expect(sightingOf(3, NOTHING, [], [told])).toEqual({ seen: true, lsn: 5000 });
  expect(sightingOf(3, { epoch: 3, lsn: 6000 }, [member], [told])).toEqual({ seen: true, lsn: 6000 });
  expect(sightingOf(3, NOTHING, [member], [NOTICE])).toEqual({ seen: true, lsn: 4000 });
  expect(sightingOf(4, NOTHING, [member], [told])).toEqual({ seen: false, lsn: null });
});

test("nobody has seen it: a witness of an older version, a member that is not heard any more", () => {
  const gone = seen(status("b", { holderSeenEpoch: 3 }), 5000);
  expect(sightingOf(3, NOTHING, [gone], [NOTICE])).toEqual({ seen: false, lsn: null });
});
