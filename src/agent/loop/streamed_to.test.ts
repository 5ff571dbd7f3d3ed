import { expect, test } from "bun:test";
import type { PostgresView, ReplicationConnection } from "../../model/postgres_view.ts";
import { StreamedTo } from "./streamed_to.ts";

const connection = (name: string, state = "streaming"): ReplicationConnection => ({
  usename: "replicator",
  application_name: name,
  client_addr: null,
  state,
  sync_state: "async",
  sync_priority: 0,
});

function primary(epoch: number, ...replication: ReplicationConnection[]): PostgresView {
  return { epoch, inRecovery: false, replication } as unknown as PostgresView;
}

test("who has streamed in the epoch is remembered, also when it is gone", () => {
  const streamed = new StreamedTo();
  streamed.note(primary(3, connection("c"), connection("b", "catchup")));
  streamed.note(primary(3, connection("b")));
  expect(streamed.in(3)).toEqual(["b", "c"]);
});

test("another epoch begins anew, and a server in recovery says nothing", () => {
  const streamed = new StreamedTo();
  streamed.note(primary(3, connection("c")));
  streamed.note({ ...primary(4, connection("b")), inRecovery: true });
  expect(streamed.in(3)).toEqual(["c"]);
  streamed.note(primary(4));
  expect(streamed.in(4)).toEqual([]);
  expect(streamed.in(3)).toEqual([]);
});
