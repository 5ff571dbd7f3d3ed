/** All bounds on a client's share of the server: connections, time, memory. */
import { JSON_BOUNDS } from "../../model/bounded_json.ts";

/** The limits are the same for every client. */
export interface HttpLimits {
  /** Connections in all: with the largest heads and pipelines 16 MiB of memory. */
  readonly connections: number;
  /** Connections of one address (IPv6: of one /64, which one host can have whole). */
  readonly connectionsPerAddress: number;
  /**
   * Time from the acceptance to the end of the first head, TLS included; and from the first byte of a later
   * head to its end.
   */
  readonly headMs: number;
  /**
   * Time from the end of the head, or where that comes later from the permission to send the body, to the
   * end of the body.
   */
  readonly bodyMs: number;
  /** Between two requests. */
  readonly idleMs: number;
  /** Time for a client to take an answer. */
  readonly writeMs: number;
  /**
   * A client that has not taken its answer for so long makes room for others, like one that sends nothing.
   */
  readonly slowWriteMs: number;
  /**
   * Bytes of answers that clients have not taken yet, all together: beyond that, the one that waits longest
   * is cut off.
   */
  readonly unsentBytes: number;
  /**
   * Unread bytes kept for one connection while its request is answered. Beyond that the input is dropped, and
   * the connection ends.
   */
  readonly pipelineBytes: number;
  /** Bytes of a body; a larger one is never read. */
  readonly bodyBytes: number;
  /** Requests other than GET, HEAD and OPTIONS that are being answered. */
  readonly unsafe: number;
  readonly unsafePerAddress: number;
  /**
   * Time in one turn of the loop for requests that are ready; the rest waits for as long, and then for its
   * turn.
   */
  readonly turnMs: number;
}

export const HTTP_LIMITS: HttpLimits = {
  connections: 512,
  connectionsPerAddress: 128,
  headMs: 5000,
  bodyMs: 10_000,
  idleMs: 60_000,
  writeMs: 10_000,
  slowWriteMs: 1000,
  unsentBytes: 16 * 1024 * 1024,
  pipelineBytes: 32 * 1024,
  bodyBytes: JSON_BOUNDS.maxBytes,
  unsafe: 64,
  unsafePerAddress: 16,
  turnMs: 5,
};

/** The group that limits by address count by: an IPv4 address, or the first half of an IPv6 one. */
export function addressGroup(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1]!;
  if (!address.includes(":")) return address;
  const [left = "", right] = address.replace(/%.*$/, "").split("::");
  const groups = left === "" ? [] : left.split(":");
  if (right !== undefined) {
    const tail = right === "" ? [] : right.split(":");
    while (groups.length + tail.length < 8) groups.push("0");
    groups.push(...tail);
  }
  return `${groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, "").toLowerCase()).join(":")}::/64`;
}
