/**
 * What strangers do to a raft port, and what a member does that has gone mad, in a process of its own, at
 * full speed until the time is over. usage: raft_flood_process.ts SETTINGS KIND SECONDS; SETTINGS is JSON,
 * see RaftFloodSettings. With "--list" for KIND it prints the kinds. Prints {"connections", "frames",
 * "bytes", "connected"}.
 */
import {
  decodeMessage,
  encodeMessage,
  makeMessage,
  numberContext,
  TRANSFER_CONTEXT,
} from "../../raft/core/message.ts";
import type { Message } from "../../raft/core/types.ts";
import {
  clusterIdOf,
  monotonicClock,
  nodeIdOf,
  TcpTransport,
  type TlsFiles,
  tlsLayer,
} from "../../raft/mod.ts";
import { ADMISSION_CHANNEL } from "../../raft/node/admission_messages.ts";
import { encodeEnvelope } from "../../raft/node/envelope.ts";
import { MEMBERS_CHANNEL } from "../../raft/node/member_messages.ts";
import { encodeSnapshotMessage, SNAPSHOT_CHANNEL } from "../../raft/node/snapshot_messages.ts";
import { encodeFrame, FrameKind } from "../../raft/transport/frame.ts";
import { Dialer } from "../../raft/transport/handshake.ts";
import { LEASE_CHANNEL, STATUS_CHANNEL } from "../../src/agent/peers/messages.ts";
import { encodeCommand } from "../../src/dcs/commands.ts";

export interface RaftFloodSettings {
  /** Raft addresses ("host:port") of all founders, and of those that are flooded. */
  readonly founders: readonly string[];
  readonly targets: readonly string[];
  /** Address of the member that has gone mad; it is off. */
  readonly mad: string;
  readonly scope: string;
  readonly password: string;
  /** What the mad member shows; null: plain TCP. */
  readonly tls: TlsFiles | null;
  /** What the lock's holder is called, and its epoch. */
  readonly holder: string;
  readonly epoch: number;
}

const [text, kind, seconds] = process.argv.slice(2) as [string, string, string];
const settings = JSON.parse(text) as RaftFloodSettings;
const endMs = performance.now() + Number(seconds) * 1000;
const count = { connections: 0, frames: 0, bytes: 0, connected: 0 };
const { founders = [], mad = "" } = settings;
const clusterId = clusterIdOf("/service", settings.scope ?? "", founders);
const idOf = (addr: string) => nodeIdOf(clusterId, addr);
const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));

/**
 * A stranger's connection: what it sends at once, and after how many ms it is closed and opened anew (null:
 * when it is cut).
 */
interface Stranger {
  readonly connections: number;
  readonly first: () => Uint8Array;
  readonly renewMs: number | null;
  /** Shakes hands over TLS, with no certificate. */
  readonly tls?: boolean;
}

const hello = (own: string, peer: string) => {
  const key = new Uint8Array(32);
  return encodeFrame(
    FrameKind.handshake,
    0,
    new Dialer({ id: idOf(own), clusterId, key }, idOf(peer), randomBytes(32)).hello,
  );
};

const STRANGERS: { readonly [kind: string]: Stranger } = {
  "raft port: connections that come and go": { connections: 500, first: () => new Uint8Array(0), renewMs: 0 },
  "raft port: connections that say nothing": {
    connections: 2000,
    first: () => new Uint8Array(0),
    renewMs: null,
  },
  "raft port: bytes that are no frame": { connections: 200, first: () => randomBytes(2000), renewMs: 5 },
  "raft port: frames that are too large": {
    connections: 200,
    first: () => {
      const frame = encodeFrame(FrameKind.handshake, 0, new Uint8Array(0)).slice();
      frame.set(randomBytes(4), 4);
      return frame;
    },
    renewMs: 5,
  },
  "raft port: hellos without the password": {
    connections: 200,
    first: () => {
      const bad = encodeFrame(FrameKind.handshake, 0, randomBytes(32));
      return Buffer.concat([hello(mad, settings.targets[0]!), bad]);
    },
    renewMs: 5,
  },
  "raft port: TLS that is not finished": {
    connections: 1000,
    first: () => new Uint8Array([22, 3, 1]),
    renewMs: null,
  },
  "raft port: TLS without a certificate": {
    connections: 200,
    first: () => new Uint8Array(0),
    renewMs: 5,
    tls: true,
  },
};

/** A frame of the mad member: channel and payload. `to`: raft id; `term`: the last one that was heard. */
type MadFrame = (to: number, term: number, count: number) => readonly [number, Uint8Array];

const raft = (message: (term: number, n: number) => Partial<Message> & Pick<Message, "type">): MadFrame => {
  return (to, term, n) => {
    const said = message(term, n);
    return [0, encodeMessage(makeMessage({ from: idOf(mad), to, ...said }))];
  };
};
const incarnation = Math.floor(Math.random() * 2 ** 48);
const entry = (data: Uint8Array, term = 0, index = 0) => ({ kind: "normal" as const, term, index, data });
const command = encodeCommand({
  op: "dropMember",
  name: "nobody",
  raftAddr: "127.0.0.9:1",
  by: "x",
  at: "x",
});
const snapshotOf = (bytes: number) => ({
  index: 2 ** 40,
  term: 1,
  configuration: { voters: [idOf(mad)], learners: [] },
  data: new Uint8Array(bytes).fill(0x5b),
});

const MAD: { readonly [kind: string]: MadFrame } = {
  "mad member: proposals": raft((_, n) => ({
    type: "propose",
    entries: [
      entry(
        encodeEnvelope({
          kind: "command",
          origin: idOf(mad),
          incarnation,
          seq: n + 1,
          floor: n + 1,
          command,
        }),
      ),
    ],
  })),
  "mad member: proposals that are no commands": raft(() => ({
    type: "propose",
    entries: [entry(randomBytes(200))],
  })),
  "mad member: reads": raft(() => ({ type: "readIndex", context: new Uint8Array(16) })),
  "mad member: pre-votes": raft((term) => ({ type: "preVote", term: term + 1, index: 1, logTerm: term })),
  "mad member: votes": raft((term) => ({ type: "vote", term: term + 1, index: 2 ** 40, logTerm: term })),
  "mad member: votes as after a transfer": raft((term) => ({
    type: "vote",
    term: term + 1,
    index: 2 ** 40,
    logTerm: term,
    context: TRANSFER_CONTEXT,
  })),
  "mad member: words to take over": raft((term) => ({ type: "timeoutNow", term })),
  "mad member: wishes to lead": raft((term) => ({
    type: "transferLeader",
    term,
    context: numberContext(idOf(mad)),
  })),
  "mad member: appends": raft((term) => ({
    type: "append",
    term,
    index: 1,
    logTerm: 1,
    entries: [entry(new Uint8Array(1000), term, 2)],
  })),
  "mad member: heartbeats": raft((term) => ({ type: "heartbeat", term })),
  "mad member: acknowledgements": raft((term, n) => ({
    type: "appendResponse",
    term,
    index: n % 100,
    reject: n % 2 === 1,
    rejectHint: n % 50,
  })),
  "mad member: answers to heartbeats": raft((term) => ({ type: "heartbeatResponse", term })),
  "mad member: whole snapshots": raft((term) => ({ type: "snapshot", term, snapshot: snapshotOf(1 << 20) })),
  "mad member: pieces of snapshots": (to, term, n) => [
    SNAPSHOT_CHANNEL,
    n % 2 === 0
      ? encodeSnapshotMessage({
        kind: "begin",
        transfer: n,
        total: 1 << 24,
        head: encodeMessage(
          makeMessage({ type: "snapshot", from: idOf(mad), to, term, snapshot: snapshotOf(0) }),
        ),
      })
      : encodeSnapshotMessage({ kind: "piece", transfer: n - 1, offset: 0, data: new Uint8Array(1 << 18) }),
  ],
  "mad member: renewals": (_, __, n) => [
    LEASE_CHANNEL,
    Buffer.from(JSON.stringify({
      kind: "renew",
      renewal: {
        holder: settings.holder,
        life: { node: idOf(mad), machine: "mad", boot: "mad" },
        epoch: settings.epoch,
        incarnation,
        seq: n,
      },
    })),
  ],
  "mad member: statuses": () => [STATUS_CHANNEL, Buffer.from(`{"name":"x","tags":${"[".repeat(4000)}`)],
  "mad member: hellos and wishes": (_, __, n) => [
    n % 2 === 0 ? ADMISSION_CHANNEL : MEMBERS_CHANNEL,
    randomBytes(60),
  ],
  "mad member: frames of nothing": (_, __, n) => [n % 250, new Uint8Array(0)],
  // The last one: it takes the lock from its holder, see docs/benchmark.md.
  "mad member: later terms": raft((term) => ({ type: "heartbeat", term: term + 1 })),
};

if (kind === "--list") {
  process.stdout.write(JSON.stringify({ strangers: Object.keys(STRANGERS), mad: Object.keys(MAD) }));
} else {
  if (kind in STRANGERS) flood(STRANGERS[kind]!);
  else if (kind in MAD) goMad(MAD[kind]!);
  else throw new Error(`unknown: ${kind}`);
  setTimeout(() => {
    process.stdout.write(JSON.stringify(count));
    process.exit(0);
  }, endMs - performance.now());
}

function flood(stranger: Stranger): void {
  for (let i = 0; i < stranger.connections; i++) {
    setTimeout(() => void knock(stranger, i), Math.random() * 100);
  }
}

async function knock(stranger: Stranger, i: number): Promise<void> {
  if (performance.now() > endMs) return;
  const [hostname, port] = settings.targets[i % settings.targets.length]!.split(":") as [string, string];
  let over = false;
  const next = () => {
    if (over) return;
    over = true;
    setTimeout(() => void knock(stranger, i), 1);
  };
  try {
    await Bun.connect({
      hostname,
      port: Number(port),
      // Four strangers, none of whom is at a member's address.
      ...{ localAddress: `127.0.1.${1 + i % 4}` },
      ...(stranger.tls ? { tls: { rejectUnauthorized: false } } : {}),
      socket: {
        open: (socket) => {
          count.connections++;
          count.bytes += Math.max(0, socket.write(stranger.first()));
          if (stranger.renewMs === null) return;
          setTimeout(() => {
            socket.terminate();
            next();
          }, stranger.renewMs);
        },
        data: () => {},
        close: next,
        error: next,
        connectError: next,
      },
    });
  } catch {
    next(); // refused: what is expected of the other side
  }
}

function goMad(frame: MadFrame): void {
  const targets = settings.targets.map((addr) => ({ id: idOf(addr), name: null, addr }));
  let term = 1;
  const transport = new TcpTransport({
    id: idOf(mad),
    clusterId,
    bindAddr: mad,
    peers: targets,
    password: settings.password,
    clock: monotonicClock,
    random: Math.random,
    ...(settings.tls === null ? {} : { layer: tlsLayer(settings.tls) }),
  });
  transport.start({
    onFrame: (_, channel, payload) => {
      if (channel === 0) term = Math.max(term, decodeMessage(payload).term);
    },
    onPeer: (_, connected) => void (count.connected += connected ? 1 : 0),
  });
  const flood = () => {
    // The amount keeps the other side's buffers full, and lets this loop still hear of a lost connection.
    const stopMs = performance.now() + 20;
    for (let going = true; going && performance.now() < stopMs;) {
      going = false;
      for (const { id } of targets) {
        const [channel, payload] = frame(id, term, count.frames);
        if (!transport.send(id, channel, payload)) continue;
        going = true;
        count.frames++;
        count.bytes += payload.length;
      }
    }
    setTimeout(flood, 1);
  };
  flood();
}
