/**
 * Somebody else who streams under the name of a member: a standby of another cluster, or a pg_receivewal.
 * PostgreSQL knows standbys by name alone, so such a one acknowledges in the member's place, and what it has
 * is on no member. The name is not waited for as long as that lasts. Pure.
 */
import type { WalSender } from "../model/postgres_view.ts";
import { slotName } from "../model/slot_name.ts";
import { statusOf } from "./cluster/view.ts";
import type { NodeView } from "./keep/view.ts";

export interface NameClash {
  readonly name: string;
  readonly why: string;
}

/**
 * A member begins to stream at the latest so long after its connection was made. It is asked again every
 * second.
 */
const BEGINS_MS = 2000;

type ClashView = Pick<NodeView, "name" | "dcs" | "dynamic" | "postgres" | "statuses">;

/** Clashes with the names of members that this server's commits may wait for. */
export function nameClashes(view: ClashView): readonly NameClash[] {
  const { name: self, dcs, postgres: { sync: { senders = [] } } } = view;
  return Object.keys(dcs.members).filter((name) => name !== self).sort().flatMap((name) => {
    // As PostgreSQL compares them: without regard to case.
    const named = senders.filter((sender) => sender.name.toLowerCase() === name.toLowerCase());
    const why = named.length === 0 ? null : clash(name, named, view);
    return why === null ? [] : [{ name, why }];
  });
}

function clash(name: string, named: readonly WalSender[], view: ClashView): string | null {
  const slot = slotName(name);
  // A member streams over its slot, which one connection has at a time. Without slots, and while they are
  // being introduced, nothing tells its connection from another one but where it comes from.
  const strangers = view.dynamic.postgresql.useSlots ? named.filter((sender) => sender.slot !== slot) : [];
  const own = named.length - strangers.length;
  if (strangers.length > 0 && own > 0) {
    return `beside ${name} ${described(strangers)} streams under its name, and not over the slot ${slot}`;
  }
  if (new Set(named.map(({ user, address }) => `${user} ${address}`)).size > 1) {
    return `${described(named)} stream under the name of ${name}`;
  }
  const others = own === 0 && !saysThatItStreams(name, view)
    ? strangers
    : named.filter((sender) => isDenied(name, sender, view));
  return others.length === 0
    ? null
    : `${described(others)} streams under the name of ${name}, which does not stream from here itself`;
}

/**
 * Over the member's own slot, too, or where there are no slots. Its PostgreSQL was looked at long after the
 * connection was made, and does not stream from here. A connection that the member's host has left behind
 * confirms no more than the member has.
 */
function isDenied(name: string, { connectedMs, flushedLsn }: WalSender, view: ClashView): boolean {
  const seen = statusOf(view, name);
  if (seen === undefined || connectedMs === undefined) return false;
  const { status: { running, lookAgeMs, timeline, receivedLsn, following, replicationState }, ageMs } = seen;
  // Whom a server that was found running follows is not known at first.
  if (replicationState === "streaming" && [null, view.name].includes(following)) return false;
  const lookMs = running ? lookAgeMs ?? Infinity : 0;
  if (connectedMs < ageMs + lookMs + BEGINS_MS) return false;
  return timeline !== view.postgres.timeline || flushedLsn > (receivedLsn ?? Infinity);
}

function saysThatItStreams(name: string, view: ClashView): boolean {
  const status = statusOf(view, name)?.status;
  return status?.following === view.name && status.replicationState === "streaming";
}

function described(senders: readonly WalSender[]): string {
  return senders.map(({ user, address }) => `somebody (${user} from ${address ?? "this host"})`).join(
    " and ",
  );
}
