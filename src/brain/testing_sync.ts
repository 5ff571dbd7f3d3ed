/** Builders for the tests of synchronous replication: primary a of b and c, from which each case departs. */
import type { MemberStatus } from "../model/member_status.ts";
import type { PostgresView, SyncView } from "../model/postgres_view.ts";
import { recordOf } from "../sync/record.ts";
import { settingFor } from "../sync/setting.ts";
import type { NodeView } from "./keep/view.ts";
import {
  cluster,
  DYNAMIC,
  holder,
  postgres,
  primaryStatus,
  RUNNING_PRIMARY,
  seen,
  status,
} from "./testing.ts";

export const ON = { ...DYNAMIC, synchronousMode: "on" as const };
export const QUORUM = { ...DYNAMIC, synchronousMode: "quorum" as const };

/** The record of primary a with these standbys, a letter each. */
export const record = (names: string, quorum: number) => ({
  ...recordOf("a", "data-a", Object.fromEntries([...names].map((name) => [name, `data-${name}`])), quorum),
  revision: 7,
});

/** Commits wait for b, and both standbys stream. */
export const syncView = (change: Partial<SyncView> = {}): SyncView => ({
  setting: settingFor(["b"], 1, false),
  loaded: true,
  commitsWait: true,
  settledLsn: 900,
  flushed: { b: 1000, c: 1000 },
  ...change,
});

export const standby = (name: string, change: Partial<MemberStatus> = {}) =>
  status(name, { dataToken: `data-${name}`, lockFreeSeen: false, ...change });

/** In `on` mode, of which b is the synchronous standby, as all is to be. */
export function syncPrimary(
  view: Partial<SyncView> = {},
  change: Partial<NodeView> = {},
  server: Partial<PostgresView> = {},
  others: readonly MemberStatus[] = [standby("b"), standby("c")],
): NodeView {
  return holder({
    dcs: cluster({ sync: record("b", 0) }),
    dynamic: ON,
    syncFrozen: false,
    statuses: [primaryStatus("a", { dataToken: "data-a" }), ...others].map((one) => seen(one)),
    postgres: postgres({ ...RUNNING_PRIMARY, wroteUnder: 3, sync: syncView(view), ...server }),
    ...change,
  });
}
