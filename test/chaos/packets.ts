/** Raw packets and network cards through libc: what a cable that delays and loses needs. Needs root. */
import { dlopen, ptr, read } from "bun:ffi";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** ETH_P_ALL in the order of the network. */
const EVERY_PROTOCOL = 0x0300;
const AF_INET = 2;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;
const POLLIN = 1;
const SIOCETHTOOL = 0x8946;
const ADDRESS_BYTES = 20;
/** Place in a sockaddr_ll of how a packet came to be here. */
const KIND_OFFSET = 10;
const PACKET_OUTGOING = 4;
const LONGEST_PACKET = 65_536;
/** ETHTOOL_STXCSUM, STSO, SGSO, SGRO: work that is left to cards, which a packet socket would see undone. */
const OFFLOADS = [0x17, 0x1f, 0x24, 0x2c];

const { symbols: libc } = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  recvfrom: { args: ["i32", "ptr", "u64", "i32", "ptr", "ptr"], returns: "i64" },
  send: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  if_nametoindex: { args: ["ptr"], returns: "u32" },
  __errno_location: { args: [], returns: "ptr" },
});

function failed(what: string): Error {
  return new Error(`${what}: errno ${read.i32(libc.__errno_location()!, 0)}`);
}

export class PacketSocket {
  readonly fd: number;
  readonly #buffer = new Uint8Array(LONGEST_PACKET);
  readonly #address = new Uint8Array(ADDRESS_BYTES);
  readonly #length = new Uint32Array(1);

  /** All packets that come in through this card; what is sent goes out there. */
  constructor(card: string) {
    const index = libc.if_nametoindex(ptr(Buffer.from(`${card}\0`)));
    if (index === 0) throw failed(`there is no card ${card}`);
    this.fd = libc.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, EVERY_PROTOCOL);
    if (this.fd < 0) throw failed("socket");
    const address = new DataView(new ArrayBuffer(ADDRESS_BYTES));
    address.setUint16(0, AF_PACKET, true);
    address.setUint16(2, EVERY_PROTOCOL, true);
    address.setInt32(4, index, true);
    if (libc.bind(this.fd, ptr(address), ADDRESS_BYTES) !== 0) throw failed(`bind to ${card}`);
  }

  /** A copy of the next packet that came in; null: there is none now. */
  receive(): Uint8Array | null {
    while (true) {
      this.#length[0] = ADDRESS_BYTES;
      const count = Number(
        libc.recvfrom(
          this.fd,
          ptr(this.#buffer),
          LONGEST_PACKET,
          MSG_DONTWAIT,
          ptr(this.#address),
          ptr(this.#length),
        ),
      );
      if (count < 0) return null;
      // What this host itself sends through the card is seen as well.
      if (this.#address[KIND_OFFSET] !== PACKET_OUTGOING) return this.#buffer.slice(0, count);
    }
  }

  /** False: the card did not take it, as a full one does not. */
  send(packet: Uint8Array): boolean {
    return Number(libc.send(this.fd, ptr(packet), packet.length, 0)) === packet.length;
  }
}

/** Waits until one of the sockets has a packet, or for so long. */
export function waitForPacket(sockets: readonly PacketSocket[], timeoutMs: number): void {
  const set = new Int32Array(2 * sockets.length);
  for (const [i, { fd }] of sockets.entries()) {
    set[2 * i] = fd;
    set[2 * i + 1] = POLLIN;
  }
  libc.poll(ptr(set), sockets.length, timeoutMs);
}

/** From now on the kernel completes and cuts the packets of this card itself. */
export function withoutOffload(card: string): void {
  const fd = libc.socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) throw failed("socket");
  for (const command of OFFLOADS) {
    const value = new Uint32Array([command, 0]);
    const request = new DataView(new ArrayBuffer(40));
    for (const [i, byte] of Buffer.from(card).entries()) request.setUint8(i, byte);
    request.setBigUint64(16, BigInt(ptr(value)), true);
    if (libc.ioctl(fd, SIOCETHTOOL, ptr(request)) !== 0) throw failed(`offload ${command} of ${card}`);
  }
}
