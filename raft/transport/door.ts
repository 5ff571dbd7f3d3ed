/**
 * Connections that have not shown yet who they are: how long they may take, how many there may be, and how
 * fast new ones may come. Everything a stranger can hold or spend is bounded here, over TCP and TLS alike,
 * from the moment in which the connection is accepted until it has proved itself, or its socket is closed.
 *
 * Strangers must not keep members out. So an address at its limit makes room among its own connections,
 * oldest first; in all, the address that holds most makes room; and the addresses of members are counted
 * apart from all the others.
 */
import type { Socket } from "node:net";

/** Connections of one address that have not proved themselves. A handshake takes a few round trips. */
const MAX_OF_ONE = 32;
/** The same, of all addresses at which no member is. */
const MAX_OF_STRANGERS = 128;
/**
 * New connections a second, and at once: a handshake over TLS costs a millisecond of the loop that renews the
 * lease, three with an RSA key of 4096 bits, and those that come at once are all handled in one turn.
 */
const RATES = {
  one: { perSecond: 8, burst: 12 },
  strangers: { perSecond: 32, burst: 24 },
  member: { perSecond: 64, burst: 48 },
} as const satisfies Readonly<Record<string, Rate>>;

export interface DoorOptions {
  readonly now: () => number;
  /** From accepting to having proved oneself. */
  readonly deadlineMs: number;
  /** Whether a member is at this address. */
  readonly isMember: (ip: string) => boolean;
  /** For people: why a connection was closed. */
  readonly onRefused: (from: string, reason: string) => void;
}

interface Guest {
  readonly key: string;
  readonly from: string;
  readonly member: boolean;
  readonly sinceMs: number;
  /** Its handshake was refused, and that was said: only its socket is still to be closed. */
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
  /** Oldest first. */
  #guests = new Map<Socket, Guest>();
  #counts = new Map<string, number>();
  #strangers = 0;
  #buckets = new Map<string, Bucket>();
  #allStrangers: Bucket;

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#allStrangers = this.#full(RATES.strangers);
  }

  /** How much is remembered. */
  get size(): { readonly guests: number; readonly addresses: number; readonly rates: number } {
    return { guests: this.#guests.size, addresses: this.#counts.size, rates: this.#buckets.size };
  }

  /** A connection was accepted. False: it was closed at once. */
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

  /** It has proved itself, or is closed. */
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
   * It was refused: it counts until its socket is closed. Says so, unless that was done when it was put out.
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
  look(lateMs: number): void {
    const { now, deadlineMs } = this.#options;
    for (const [socket, { sinceMs }] of this.#guests) {
      if (now() - sinceMs - lateMs <= deadlineMs) break;
      this.#putOut(socket, "no handshake");
    }
    for (const [key, bucket] of this.#buckets) {
      if (this.#filled(bucket) >= bucket.rate.burst) this.#buckets.delete(key);
    }
  }

  /** Closes whatever is at the door. */
  close(): void {
    for (const socket of [...this.#guests.keys()]) {
      this.leave(socket);
      socket.destroy();
    }
  }

  #mayCome(key: string, member: boolean): boolean {
    const rate = member ? RATES.member : RATES.one;
    let bucket = this.#buckets.get(key);
    // One that is over its own limit takes no other stranger's place.
    if (bucket?.rate === rate && this.#filled(bucket) < 1) return false;
    // A bucket is made only for one that is let in: there are never more than strangers that came in lately.
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

/** An IPv4 address as such, however the socket shows it. */
export function plainAddress(ip: string): string {
  return ip.replace(/^::ffff:(?=\d+\.)/i, "");
}

/** Who has one IPv6 address has 2^64 of them: the network counts. */
function addressKey(ip: string): string {
  const plain = plainAddress(ip);
  if (!plain.includes(":")) return plain;
  const [head = "", tail] = plain.split("%")[0]!.split("::");
  const groups = head === "" ? [] : head.split(":");
  const rest = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - groups.length - rest.length;
  return [...groups, ...Array<string>(Math.max(0, zeros)).fill("0"), ...rest].slice(0, 4).join(":");
}
