/**
 * What lies under the frames: plain TCP, or mutual TLS. The only file of the transport that opens sockets and asks for
 * names.
 */
import * as net from "node:net";
import * as tls from "node:tls";

export interface Listener {
  readonly port: number;
  close(): void;
}

export interface SocketLayer {
  /** `onListening` or `onError` is called once. `host` null: all interfaces. */
  listen(
    host: string | null,
    port: number,
    handlers: {
      onListening(listener: Listener): void;
      onError(error: NodeJS.ErrnoException): void;
      onSocket(socket: net.Socket): void;
      /** Turned away before any frame; `from` is an address. */
      onRefused(from: string, reason: string): void;
    },
  ): Listener;
  /** `ip` is an address, no name. `onReady`: connected, and can be written to. */
  connect(ip: string, port: number, onReady: () => void): net.Socket;
}

export const tcpLayer: SocketLayer = {
  listen(host, port, handlers) {
    const server = net.createServer({ noDelay: true }, (socket) => handlers.onSocket(socket));
    return listenWith(server, host, port, handlers);
  },
  connect: (ip, port, onReady) => net.connect({ host: ip, port, noDelay: true }, onReady),
};

/** Binds a server of any kind. */
function listenWith(
  server: net.Server,
  host: string | null,
  port: number,
  handlers: { onListening(listener: Listener): void; onError(error: NodeJS.ErrnoException): void },
): Listener {
  const listener: Listener = {
    get port() {
      return (server.address() as net.AddressInfo | null)?.port ?? port;
    },
    close: () => void server.close(),
  };
  server.on("error", (error) => handlers.onError(error));
  server.listen({ port, host: host ?? undefined, exclusive: true }, () => handlers.onListening(listener));
  return listener;
}

/** PEM texts. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Mutual TLS whose certificates can be renewed while it runs; see `tlsLayer`. */
export interface TlsLayer extends SocketLayer {
  /** New certificates, for connections from now on. Throws when they cannot be used, as half of a renewed pair: nothing changes then. */
  replace(files: TlsFiles): void;
}

/**
 * Whoever connects, and whoever is connected to, shows a certificate of the cluster's authority. Names in certificates
 * are not compared with addresses: the authority must sign nobody but members.
 */
export function tlsLayer(initial: TlsFiles): TlsLayer {
  let files = initial;
  const servers: tls.Server[] = [];
  const options = () => ({ ...files, minVersion: "TLSv1.2" as const, rejectUnauthorized: true });
  return {
    listen(host, port, handlers) {
      const server = tls.createServer({ ...options(), requestCert: true, noDelay: true }, (socket) => {
        if (socket.authorized) return handlers.onSocket(socket);
        handlers.onRefused(socket.remoteAddress ?? "unknown", "no certificate of this cluster's authority");
        socket.destroy();
      });
      server.on("tlsClientError", (error, socket) => {
        handlers.onRefused(
          (socket as net.Socket | null)?.remoteAddress ?? "unknown",
          `TLS: ${error.message}`,
        );
      });
      servers.push(server);
      return listenWith(server, host, port, handlers);
    },
    connect(ip, port, onReady) {
      const socket = tls.connect(
        { ...options(), host: ip, port, checkServerIdentity: () => undefined },
        onReady,
      );
      socket.setNoDelay(true);
      return socket;
    },
    replace(next) {
      tls.createSecureContext({ ...next });
      files = next;
      for (const server of servers) server.setSecureContext(options());
    },
  };
}

/**
 * The address of a name, by c-ares, which respects /etc/hosts: getaddrinfo would run in the thread pool, where two
 * lookups at a dead nameserver stop everything else.
 */
export async function resolveHost(host: string): Promise<string> {
  if (net.isIP(host) !== 0) return host;
  const [first] = await Bun.dns.lookup(host, { backend: "c-ares" });
  if (!first) throw new Error(`no address for ${host}`);
  return first.address;
}
