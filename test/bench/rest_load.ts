/**
 * A load generator in a process of its own: a number of connections, one request after the other on each.
 * usage: rest_load.ts HOST PORT PATH CONNECTIONS SECONDS; prints {"requests", "errors", "seconds", "p50Ms",
 * "p99Ms", "maxMs"}.
 */
import { connect } from "node:net";

const [host, port, path, connections, seconds] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const request = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const latenciesMs: number[] = [];
let errors = 0;
const beginMs = performance.now();
const endMs = beginMs + Number(seconds) * 1000;

function drive(): Promise<void> {
  return new Promise((resolve) => {
    let sentMs = 0;
    let buffered = "";
    const send = () => {
      sentMs = performance.now();
      if (sentMs >= endMs) socket.end();
      else socket.write(request);
    };
    const socket = connect({ host, port: Number(port), noDelay: true }, send);
    socket.on("data", (chunk) => {
      buffered += chunk.toString("latin1");
      const head = buffered.indexOf("\r\n\r\n");
      if (head < 0) return;
      const length = Number(/content-length: *(\d+)/i.exec(buffered.slice(0, head))?.[1] ?? 0);
      if (buffered.length < head + 4 + length) return;
      if (buffered.startsWith("HTTP/1.1 200")) latenciesMs.push(performance.now() - sentMs);
      else errors++;
      buffered = buffered.slice(head + 4 + length);
      send();
    });
    socket.on("error", () => errors++);
    socket.on("close", () => resolve());
  });
}

void Promise.all(Array.from({ length: Number(connections) }, drive)).then(() => {
  const sorted = latenciesMs.sort((a, b) => a - b);
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
  process.stdout.write(JSON.stringify({
    requests: sorted.length,
    errors,
    seconds: (performance.now() - beginMs) / 1000,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: sorted.at(-1) ?? NaN,
  }));
});
