/**
 * A cable between two cards that holds each packet back for a while and loses some, for kernels without
 * netem. Prints what it did so far, a line of JSON a few times a second, until it is killed.
 *
 * usage: bun cable_process.ts '{"cards":["a","b"],"delayMs":50,"jitterMs":20,"lossPart":0.1}' bun
 * cable_process.ts --without-offload CARD
 */
import { PacketSocket, waitForPacket, withoutOffload } from "./packets.ts";

export interface CableSettings {
  readonly cards: readonly [string, string];
  /** One way; each packet up to jitterMs more. They keep their order. */
  readonly delayMs: number;
  readonly jitterMs: number;
  /** Part of the packets that is lost, from 0 to 1. */
  readonly lossPart: number;
}

export interface CableReport {
  readonly passed: number;
  readonly lost: number;
}

const REPORT_MS = 200;

interface Held {
  readonly packet: Uint8Array;
  readonly dueMs: number;
}

function runCable({ cards, delayMs, jitterMs, lossPart }: CableSettings): never {
  const sockets = cards.map((card) => new PacketSocket(card));
  const queues: Held[][] = [[], []];
  const done = { passed: 0, lost: 0 };
  let reportMs = 0;
  while (true) {
    const nowMs = performance.now();
    if (nowMs >= reportMs) {
      process.stdout.write(`${JSON.stringify(done)}\n`);
      reportMs = nowMs + REPORT_MS;
    }
    for (const [i, socket] of sockets.entries()) {
      const queue = queues[i]!;
      for (let packet = socket.receive(); packet !== null; packet = socket.receive()) {
        if (Math.random() < lossPart) {
          done.lost++;
          continue;
        }
        const dueMs = Math.max(nowMs + delayMs + jitterMs * Math.random(), queue.at(-1)?.dueMs ?? 0);
        queue.push({ packet, dueMs });
      }
      while (queue.length > 0 && queue[0]!.dueMs <= nowMs) {
        if (sockets[1 - i]!.send(queue.shift()!.packet)) done.passed++;
        else done.lost++;
      }
    }
    const next = Math.min(reportMs, ...queues.map(([first]) => first?.dueMs ?? Infinity));
    waitForPacket(sockets, Math.max(1, Math.ceil(next - performance.now())));
  }
}

if (import.meta.main) {
  const [what, card] = process.argv.slice(2);
  if (what === "--without-offload") withoutOffload(card!);
  else runCable(JSON.parse(what!) as CableSettings);
}
