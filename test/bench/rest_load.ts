/**
 * A load generator in a process of its own: a number of connections, one request after the other on each.
 * What it is to do comes as JSON on standard input (RestLoad: keys must not be in the arguments of a
 * process); prints RestLoadResult. Connections are up before anything is counted.
 */
import type { Socket } from "bun";

export interface RestLoad {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  readonly seconds: number;
  /** null: plain HTTP. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } | null;
}

export interface RestLoadResult {
  readonly requests: number;
  readonly errors: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Processor time of this process in that time. */
  readonly cpuMs: number;
}

const HEAD_END = Buffer.from("\r\n\r\n");
const OK = Buffer.from("HTTP/1.1 200");

if (import.meta.main) await main(JSON.parse(await Bun.stdin.text()) as RestLoad);

async function main({ host, port, path, connections, seconds, tls }: RestLoad): Promise<void> {
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const latenciesMs: number[] = [];
  let errors = 0;
  let endMs = Infinity;
  const open = (): Promise<{ begin(): void; readonly ended: Promise<void> }> =>
    new Promise((resolve, reject) => {
      const ended = Promise.withResolvers<void>();
      let sentMs = 0;
      let buffered: Buffer = Buffer.alloc(0);
      const send = (socket: Socket) => {
        sentMs = performance.now();
        if (sentMs >= endMs) socket.end();
        else socket.write(request);
      };
      const received = (socket: Socket, chunk: Buffer) => {
        buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk]);
        const bytes = answerBytes(buffered);
        if (bytes === null || buffered.length < bytes) return;
        if (buffered.subarray(0, OK.length).equals(OK)) latenciesMs.push(performance.now() - sentMs);
        else errors++;
        buffered = buffered.subarray(bytes);
        send(socket);
      };
      const up = (socket: Socket) => resolve({ begin: () => send(socket), ended: ended.promise });
      Bun.connect({
        hostname: host,
        port,
        ...(tls === null ? {} : { tls: { ...tls, rejectUnauthorized: true } }),
        socket: {
          open: (socket) => tls === null ? up(socket) : undefined,
          handshake: (socket, success, error) => success ? up(socket) : reject(error ?? new Error("no TLS")),
          data: received,
          close: () => {
            if (performance.now() < endMs) errors++;
            ended.resolve();
          },
          error: (_, error) => reject(error),
        },
      }).catch(reject);
    });
  const all = await Promise.all(Array.from({ length: connections }, open));
  const beginMs = performance.now();
  const before = process.cpuUsage();
  endMs = beginMs + seconds * 1000;
  for (const connection of all) connection.begin();
  await Promise.all(all.map(({ ended }) => ended));
  const { user, system } = process.cpuUsage(before);
  const sorted = Float64Array.from(latenciesMs).sort();
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
  const result: RestLoadResult = {
    requests: sorted.length,
    errors,
    seconds: (performance.now() - beginMs) / 1000,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: sorted.at(-1) ?? NaN,
    cpuMs: (user + system) / 1000,
  };
  process.stdout.write(JSON.stringify(result));
}

/** Length of the first answer; null: its head is not whole yet. */
function answerBytes(bytes: Buffer): number | null {
  const head = bytes.indexOf(HEAD_END);
  if (head < 0) return null;
  const length = /content-length: *(\d+)/i.exec(bytes.toString("latin1", 0, head))?.[1] ?? "0";
  return head + HEAD_END.length + Number(length);
}
