/**
 * The order of a rolling restart, and how the primary takes part in it. Pure.
 *
 * PostgreSQL lets no standby run with less than its primary has of five parameters. So where one of them is
 * raised, or none of them changes, standbys go first and the primary last. Where one is lowered, the primary
 * goes first, and in place: a standby that became the primary would bring the larger value back.
 */
import type { ClusterMemberJson } from "../../src/api/client.ts";

const AT_LEAST_AS_ON_PRIMARY = [
  "max_connections",
  "max_prepared_transactions",
  "max_locks_per_transaction",
  "max_wal_senders",
  "max_worker_processes",
];

export type Way = "restart" | "switchover";

export interface Step {
  readonly member: string;
  readonly way: Way;
}

export interface Plan {
  readonly steps: readonly Step[];
  readonly why: string;
  /** A parameter is lowered: standbys learn of it by replaying the primary's WAL. */
  readonly lowers: boolean;
}

interface Change {
  readonly parameter: string;
  readonly from: number;
  readonly to: number;
}

/** `wanted`: how the primary is to be restarted; null: as suits the change. */
export function planRolling(
  members: readonly ClusterMemberJson[],
  leader: ClusterMemberJson,
  wanted: Way | null,
): Plan | { readonly refused: string } {
  const standbys = members.filter(({ name }) => name !== leader.name);
  const isWhole = members.length > standbys.length;
  const restarts = (some: readonly ClusterMemberJson[]): Step[] =>
    some.map(({ name }) => ({ member: name, way: "restart" }));
  const [raised, lowered] = [changes(members, true), changes([leader], false)];
  const last: Step = { member: leader.name, way: wanted ?? "switchover" };
  if (lowered.length === 0) {
    const why = raised.length > 0
      ? `${described(raised)}: a standby must have at least what its primary has, so standbys go first`
      : "standbys go first, the primary last";
    return { steps: [...restarts(standbys), ...(isWhole ? [last] : [])], why, lowers: false };
  }
  const what = described(lowered);
  if (!isWhole && standbys.length > 0) {
    return { refused: `${what}: the primary goes first, so name ${leader.name} as well` };
  }
  if (wanted === "switchover") {
    return {
      refused: `${what}: the primary is restarted in place, as no standby has the smaller value before`,
    };
  }
  const primary: Step = { member: leader.name, way: "restart" };
  if (raised.length === 0) {
    const why =
      `${what}: a standby must have at least what its primary has, so the primary goes first, in place`;
    return { steps: [primary, ...restarts(standbys)], why, lowers: true };
  }
  const again = standbys.filter((member) => changes([member], false).length > 0);
  const why = `${described(raised)}, ${what}: standbys go first, the primary next, and standbys again`;
  return { steps: [...restarts(standbys), primary, ...restarts(again)], why, lowers: true };
}

/**
 * Why these members are not restarted alone; null: they can be. Once a primary has a larger value, a standby
 * that kept the smaller one stops replaying, and its agent has to restart it as well.
 */
export function leftBehind(
  members: readonly ClusterMemberJson[],
  leader: ClusterMemberJson,
  all: readonly ClusterMemberJson[],
): string | null {
  const isNamed = ({ name }: ClusterMemberJson) => members.some((member) => member.name === name);
  if (!isNamed(leader)) return null;
  const raised = changes(members, true);
  for (const standby of all.filter((member) => !isNamed(member))) {
    const missed = changes([standby], true).filter(({ parameter }) =>
      raised.some((change) => change.parameter === parameter)
    );
    if (missed.length === 0) continue;
    return `${
      described(missed)
    }: a standby must have at least what its primary has, so name ${standby.name} as well`;
  }
  return null;
}

/** The parameters of the five that a restart of these members raises, or lowers. */
function changes(members: readonly ClusterMemberJson[], up: boolean): Change[] {
  return AT_LEAST_AS_ON_PRIMARY.flatMap((parameter) => {
    for (const { pending_restart_reason: reasons = {} } of members) {
      const reason = reasons[parameter];
      if (reason === undefined) continue;
      const [from, to] = [Number(reason.old_value), Number(reason.new_value)];
      if (up ? to > from : to < from) return [{ parameter, from, to }];
    }
    return [];
  });
}

function described(changes: readonly Change[]): string {
  return changes.map(({ parameter, from, to }) =>
    `${parameter} is ${to > from ? "raised" : "lowered"} (${from} -> ${to})`
  ).join(", ");
}
