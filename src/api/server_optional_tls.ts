/**
 * HTTPS with `verify_client: optional`: clients may come without a certificate, but unsafe requests need one. The
 * runtime's fast server does not tell whether one was presented, so this one goes through node:https.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { TLSSocket } from "node:tls";
import { MAX_BODY_BYTES } from "./body.ts";
import type { RunningServer, ServeSettings } from "./server.ts";

export function serveOptionalCertificates(
  { hostname, port, certificates, fetch }: ServeSettings,
): RunningServer {
  const server = createServer({
    cert: certificates?.cert,
    key: certificates?.key,
    ca: certificates?.ca,
    passphrase: certificates?.passphrase,
    requestCert: true,
    rejectUnauthorized: false,
  }, (incoming, outgoing) => {
    answer(incoming, outgoing, fetch).catch((error: unknown) => outgoing.destroy(error as Error));
  });
  // The runtime binds at once but tells of a failure only later, as an event that would end the process unheard.
  server.on("error", () => server.close());
  server.listen(port, hostname);
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the address cannot be bound");
  return {
    port: address.port,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function answer(incoming: IncomingMessage, outgoing: ServerResponse, fetch: ServeSettings["fetch"]) {
  const socket = incoming.socket as TLSSocket;
  const method = incoming.method ?? "GET";
  const body = await readAll(incoming);
  if (body === null) {
    outgoing.writeHead(413).end();
    return;
  }
  const request = new Request(`https://${incoming.headers.host ?? "localhost"}${incoming.url ?? "/"}`, {
    method,
    headers: headersOf(incoming),
    ...(body.length > 0 ? { body } : {}),
  });
  const response = await fetch(request, {
    ip: socket.remoteAddress ?? null,
    clientCertificate: socket.authorized,
  });
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(new Uint8Array(await response.arrayBuffer()));
}

/** null: larger than allowed. */
async function readAll(incoming: IncomingMessage): Promise<Uint8Array<ArrayBuffer> | null> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of incoming as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) return null;
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

function headersOf(incoming: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const one of Array.isArray(value) ? value : [value ?? ""]) headers.append(name, one);
  }
  return headers;
}
