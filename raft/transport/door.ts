/**
 * Limits connections that have not proved their identity yet: their time, their number, and the rate of new
 * ones. Everything a stranger can hold or spend is bounded here, over TCP and TLS alike, from the moment the
 * connection is accepted until it has proved itself, or its socket is closed. A connection comes here before
 * anything of TLS is made for it: one that is turned away costs the loop an accept and a close, and the
 * kernel has at most some 64 of them ready in one turn (socket_layer.ts).
 *
 * Strangers must not keep members out. So an address at its limit makes room among its own connections,
 * oldest first. At the limit of all, the address that holds most makes room. The addresses of members are
 * counted apart from all others.
 *
 * Strangers may have a member's own address: behind address translation, or on one machine. Nothing tells
 * them apart before the handshake, and they take most of the rate that is meant for the member. It comes in
 * all the same: as long as two members have no connection, each dials the other, and what this node dials
 * does not come by the door. So both must be flooded, each from the other's address, and then a dial gets in
 * as often as the rate lets one of all that knock; dials do not end.
 */
import type { Socket } from "node:net";

/** Limit of unproved connections from one address. A handshake takes a few round trips. */
const MAX_OF_ONE = 32;
/** Limit of unproved connections from all addresses without a member. */
const MAX_OF_STRANGERS = 128;
/**
 * Limits of new connections a second, and at once. A handshake over TLS costs the loop that renews the lease
 * a millisecond, three with an RSA key of 4096 bits, and connections that come at once are all handled in one
 * turn.
 */
const RATES = {
  one: { perSecond: 8, burst: 12 },
  strangers: { perSecond: 32, burst: 24 },
  member: { perSecond: 64, burst: 48 },
} as const satisfies Readonly<Record<string, Rate>>;

export interface DoorOptions {
  readonly now: () => number;
  /** Time from accepting a connection until it has proved itself. */
  readonly deadlineMs: number;
  /** Whether a member is at this address. */
  readonly isMember: (ip: string) => boolean;
  /** Called with the reason, for people, why a connection was closed. */
  readonly onRefused: (from: string, reason: string) => void;
}

interface Guest {
  readonly key: string;
  readonly from: string;
  readonly member: boolean;
  readonly sinceMs: number;
  /** Whether its handshake was refused and the refusal sent: only its socket is still to be closed. */
  refused: boolean;
}

interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

interface Bucket {
  readonly rate: Rate;
  tokens: number;
  filledMs: number;
}

export class Door {
  readonly #options: DoorOptions;
  /** Connections, oldest first. */
  #guests = new Map<Socket, Guest>();
  #counts = new Map<string, number>();
  #strangers = 0;
  #buckets = new Map<string, Bucket>();
  #allStrangers: Bucket;

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#allStrangers = this.#full(RATES.strangers);
  }

  /** Number of remembered items. */
  get size(): { readonly guests: number; readonly addresses: number; readonly rates: number } {
    return { guests: this.#guests.size, addresses: this.#counts.size, rates: this.#buckets.size };
  }

  /** Takes an accepted connection. False: it was closed at once. */
  enter(socket: Socket): boolean {
    const from = socket.remoteAddress;
    if (from === undefined) {
      socket.destroy();
      return false;
    }
    const key = addressKey(from);
    const member = this.#options.isMember(plainAddress(from));
    if (!this.#mayCome(key, member)) {
      socket.destroy();
      this.#options.onRefused(from, "too many new connections a second");
      return false;
    }
    if ((this.#counts.get(key) ?? 0) >= MAX_OF_ONE) this.#makeRoom(key);
    else if (!member && this.#strangers >= MAX_OF_STRANGERS) this.#makeRoom(this.#busiest());
    this.#guests.set(socket, { key, from, member, sinceMs: this.#options.now(), refused: false });
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    if (!member) this.#strangers++;
    socket.once("close", () => this.leave(socket));
    return true;
  }

  /** Lets go of a connection that has proved itself, or is closed. */
  leave(socket: Socket): void {
    const guest = this.#guests.get(socket);
    if (!guest) return;
    this.#guests.delete(socket);
    const left = this.#counts.get(guest.key)! - 1;
    if (left > 0) this.#counts.set(guest.key, left);
    else this.#counts.delete(guest.key);
    if (!guest.member) this.#strangers--;
  }

  /**
   * Notes a refused connection, which counts until its socket is closed. Logs it, unless that was done when
   * it was put out.
   */
  refuse(socket: Socket, reason: string): void {
    const guest = this.#guests.get(socket);
    if (!guest || guest.refused) return;
    guest.refused = true;
    this.#options.onRefused(guest.from, reason);
  }

  /**
   * Called several times a second. `lateMs`: for so long this process itself did not run, and could not read.
   */
  turnOutOverdue(lateMs: number): void {
    const { now, deadlineMs } = this.#options;
    for (const [socket, { sinceMs }] of this.#guests) {
      if (now() - sinceMs - lateMs <= deadlineMs) break;
      this.#putOut(socket, "no handshake");
    }
    for (const [key, bucket] of this.#buckets) {
      if (this.#filled(bucket) >= bucket.rate.burst) this.#buckets.delete(key);
    }
  }

  /** Closes all connections at the door. */
  close(): void {
    for (const socket of [...this.#guests.keys()]) {
      this.leave(socket);
      socket.destroy();
    }
  }

  #mayCome(key: string, member: boolean): boolean {
    const rate = member ? RATES.member : RATES.one;
    let bucket = this.#buckets.get(key);
    // An address over its own limit takes no place of other strangers.
    if (bucket?.rate === rate && this.#filled(bucket) < 1) return false;
    // A bucket is made only for a connection that is let in, so there are no more buckets than recent
    // strangers.
    if (!member && !this.#take(this.#allStrangers)) return false;
    if (bucket?.rate !== rate) {
      bucket = this.#full(rate);
      this.#buckets.set(key, bucket);
    }
    return this.#take(bucket);
  }

  #full(rate: Rate): Bucket {
    return { rate, tokens: rate.burst, filledMs: this.#options.now() };
  }

  #take(bucket: Bucket): boolean {
    if (this.#filled(bucket) < 1) return false;
    bucket.tokens--;
    return true;
  }

  #filled(bucket: Bucket): number {
    const { rate: { perSecond, burst } } = bucket;
    const now = this.#options.now();
    bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.filledMs) / 1000 * perSecond);
    bucket.filledMs = now;
    return bucket.tokens;
  }

  #busiest(): string {
    let most = { key: "", count: 0 };
    for (const { key, member } of this.#guests.values()) {
      const count = this.#counts.get(key)!;
      if (!member && count > most.count) most = { key, count };
    }
    return most.key;
  }

  #makeRoom(key: string): void {
    for (const [socket, guest] of this.#guests) {
      if (guest.key !== key) continue;
      return this.#putOut(socket, "too many connections without a handshake");
    }
  }

  #putOut(socket: Socket, reason: string): void {
    this.refuse(socket, reason);
    this.leave(socket);
    socket.destroy();
  }
}

/** Returns an IPv4 address in its own form, however the socket shows it. */
export function plainAddress(ip: string): string {
  return ip.replace(/^::ffff:(?=\d+\.)/i, "");
}

/** The network of an IPv6 address counts: a host with one of them has 2^64. */
function addressKey(ip: string): string {
  const plain = plainAddress(ip);
  if (!plain.includes(":")) return plain;
  const [head = "", tail] = plain.split("%")[0]!.split("::");
  const groups = head === "" ? [] : head.split(":");
  const rest = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - groups.length - rest.length;
  return [...groups, ...Array<string>(Math.max(0, zeros)).fill("0"), ...rest].slice(0, 4).join(":");
}
