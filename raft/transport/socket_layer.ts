/**
 * What lies under the frames: plain TCP here; TLS is another implementation of the same two functions. The only file of
 * the transport that opens sockets and asks for names.
 */
import * as net from "node:net";

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
    },
  ): Listener;
  /** `ip` is an address, no name. "connect" is emitted when it can be written to. */
  connect(ip: string, port: number): net.Socket;
}

export const tcpLayer: SocketLayer = {
  listen(host, port, handlers) {
    const server = net.createServer({ noDelay: true }, (socket) => handlers.onSocket(socket));
    const listener: Listener = {
      get port() {
        return (server.address() as net.AddressInfo | null)?.port ?? port;
      },
      close: () => void server.close(),
    };
    server.on("error", (error) => handlers.onError(error));
    server.listen({ port, host: host ?? undefined, exclusive: true }, () => handlers.onListening(listener));
    return listener;
  },
  connect: (ip, port) => net.connect({ host: ip, port, noDelay: true }),
};

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
