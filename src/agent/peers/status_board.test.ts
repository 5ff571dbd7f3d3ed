/** Which peers have not said yet what they have. */
import { expect, test } from "bun:test";
import { status } from "../../brain/testing.ts";
import { emptyState } from "../../dcs/state_machine.ts";
import { StatusBoard } from "./status_board.ts";

const NODE = 7;

function board(): StatusBoard {
  const made = new StatusBoard(() => emptyState());
  made.ledAt(1000);
  made.peer(NODE, true, 1000);
  return made;
}

test("a peer that has just connected is unheard until it says what it has", () => {
  const heard = board();
  expect(heard.unheard([NODE], 1100)).toEqual([NODE]);
  heard.hear(status("c"), NODE, 1200);
  expect(heard.unheard([NODE], 1200)).toEqual([]);
});

test("what it said before it connected anew does not count", () => {
  const heard = board();
  heard.hear(status("c"), NODE, 1200);
  heard.peer(NODE, true, 1300);
  expect(heard.unheard([NODE], 1400)).toEqual([NODE]);
});

test("a member that has not looked at its directory yet has said nothing", () => {
  const heard = board();
  heard.hear(status("c", { state: "starting", directoryUsable: false, seq: 1 }), NODE, 1200);
  expect(heard.unheard([NODE], 1300)).toEqual([NODE]);
  heard.hear(status("c", { state: "starting", directoryUsable: true, seq: 2 }), NODE, 1400);
  expect(heard.unheard([NODE], 1400)).toEqual([]);
});

test("a witness has said all by its notice, and nobody is waited for longer than a moment", () => {
  const heard = board();
  expect(heard.unheard([NODE], 3999)).toEqual([NODE]);
  expect(heard.unheard([NODE], 4000)).toEqual([]);
  heard.peer(8, true, 5000);
  expect(heard.unheard([8], 5000)).toEqual([8]);
  const notice = { name: "w", raftAddr: "w:2222", apiUrl: "", canLose: null };
  heard.hearWitness({ ...notice, holderSeenEpoch: 0, holderLsn: null }, 8, 5100);
  expect(heard.unheard([8], 5100)).toEqual([]);
});

test("one that is not there is waited for a moment, from the first leader of raft on", () => {
  const made = new StatusBoard(() => emptyState());
  expect(made.unheard([NODE], 900_000)).toEqual([NODE]);
  made.ledAt(1_000_000);
  made.ledAt(1_002_000);
  expect(made.unheard([NODE], 1_002_999)).toEqual([NODE]);
  expect(made.unheard([NODE], 1_003_000)).toEqual([]);
  expect(made.unheard([], 1_000_000)).toEqual([]);
});
