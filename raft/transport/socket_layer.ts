/**
 * The layer under the frames: plain TCP, or mutual TLS. This is the only file of the transport that opens
 * sockets and looks up names.
 */
import * as net from "node:net";
import * as tls from "node:tls";
import { libc } from "../storage/libc.ts";
import { AcceptGate } from "./accept_gate.ts";
import { certificateFlaw } from "./certificate.ts";

/**
 * Number of connections that the kernel keeps ready. The runtime asks for 512, whatever it is told, and
 * accepts all of them in one turn of the event loop that renews the lease: some 45 µs of processor time each,
 * 23 ms in all, and several times that where cores are scarce. A second listen(2) on the same socket sets
 * another number: 64 cost 3 ms. The kernel does not answer a connection without room, and the dialer tries
 * again: so do members, which dial rarely. `AcceptGate` bounds those that come while these are accepted.
 */
const BACKLOG = 64;

export interface Listener {
  readonly port: number;
  close(): void;
}

export interface ListenHandlers {
  onListening(listener: Listener): void;
  onError(error: NodeJS.ErrnoException): void;
  /**
   * Called when a stranger has connected and shown nothing yet. False: the socket was closed, and nothing
   * more comes of it.
   */
  onKnock(socket: net.Socket): boolean;
  /** Called after `onKnock`, with the socket of that: `socket` can be read from and written to. */
  onSocket(socket: net.Socket, knocked: net.Socket): void;
  /** Called instead of `onSocket` when the stranger is turned away before any frame. */
  onRefused(knocked: net.Socket, reason: string): void;
}

export interface SocketLayer {
  /** Listens. `onListening` or `onError` is called once. `host` null: all interfaces. */
  listen(host: string | null, port: number, handlers: ListenHandlers): Listener;
  /**
   * Connects to `ip`, which is an address and no name. `onReady`: the socket is connected, and can be written
   * to.
   */
  connect(ip: string, port: number, onReady: () => void): net.Socket;
  /**
   * Whether the other end may be the member at `addr` ("": any member). Null: yes, as far as this layer
   * knows; otherwise says, for people, why not.
   */
  flaw(socket: net.Socket, addr: string): string | null;
}

export const tcpLayer: SocketLayer = {
  listen(host, port, handlers) {
    const accept = (socket: net.Socket) => handlers.onSocket(socket, socket);
    return listenWith(accept, host, port, handlers);
  },
  connect: (ip, port, onReady) => net.connect({ host: ip, port, noDelay: true }, onReady),
  flaw: () => null,
};

/** Listens on plain TCP. `accept`: takes a connection that the door let in. */
function listenWith(
  accept: (socket: net.Socket) => void,
  host: string | null,
  port: number,
  handlers: ListenHandlers,
): Listener {
  const gate = new AcceptGate();
  const server = net.createServer({ noDelay: true }, (socket) => {
    gate.pass();
    if (handlers.onKnock(socket)) accept(socket);
  });
  const listener: Listener = {
    get port() {
      return (server.address() as net.AddressInfo | null)?.port ?? port;
    },
    close: () => {
      gate.close();
      server.close();
    },
  };
  server.on("error", (error) => handlers.onError(error));
  server.listen({ port, host: host ?? undefined, exclusive: true }, () => {
    const { _handle } = server as net.Server & { readonly _handle?: { readonly fd?: number } };
    const fd = _handle?.fd ?? -1;
    // A runtime that hides the descriptor accepts what it likes: worse under a flood, but no reason not to
    // start.
    if (fd >= 0) {
      libc().listen(fd, BACKLOG);
      gate.open(fd);
    }
    handlers.onListening(listener);
  });
  return listener;
}

/** Certificates and keys, as PEM texts. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Mutual TLS whose certificates can be renewed while it runs; see `tlsLayer`. */
export interface TlsLayer extends SocketLayer {
  /**
   * Takes new certificates, for connections from now on. Throws when they cannot be used, such as half of a
   * renewed pair; then nothing changes.
   */
  replace(files: TlsFiles): void;
}

/**
 * Makes a TLS layer: both sides of a connection show a certificate of the cluster's authority. `flaw`, and
 * not the TLS handshake, says which member a certificate stands for: only the other end says which member it
 * claims to be.
 */
export function tlsLayer(initial: TlsFiles): TlsLayer {
  let files = initial;
  const options = () => ({ ...files, minVersion: "TLSv1.2" as const, rejectUnauthorized: true });
  let context = tls.createSecureContext(options());
  return {
    listen(host, port, handlers) {
      // Not a server of TLS: that makes the objects of a handshake for every stranger, also for those that
      // the door turns away, which in a flood are nearly all.
      const accept = (knocked: net.Socket) => {
        const socket = new tls.TLSSocket(knocked, {
          isServer: true,
          secureContext: context,
          requestCert: true,
          rejectUnauthorized: true,
        });
        const refuse = (reason: string) => {
          handlers.onRefused(knocked, reason);
          socket.destroy();
        };
        const fail = (error: NodeJS.ErrnoException) =>
          refuse(`TLS: ${error.code === "ECONNRESET" ? "it left during the handshake" : error.message}`);
        socket.on("error", fail);
        knocked.on("error", (error) => socket.destroy(error));
        socket.once("secure", () => {
          if (!socket.authorized) return refuse("no certificate of this cluster's authority");
          // A session that is resumed was verified when it began, and may have outlived its certificate.
          const certificate = socket.getPeerX509Certificate();
          if (!certificate || Date.parse(certificate.validTo) <= Date.now()) {
            return refuse("TLS: certificate has expired");
          }
          handlers.onSocket(socket, knocked);
          // From here on the connection has its own.
          socket.off("error", fail);
        });
      };
      return listenWith(accept, host, port, handlers);
    },
    flaw(socket, addr) {
      const certificate = (socket as tls.TLSSocket).getPeerX509Certificate();
      return certificate ? certificateFlaw(certificate, addr) : "it shows no certificate";
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
      context = tls.createSecureContext({ ...options(), ...next });
      files = next;
    },
  };
}

/**
 * Looks up the address of a name, by c-ares, which respects /etc/hosts. getaddrinfo would run in the thread
 * pool, where two lookups at a dead nameserver stop everything else.
 */
export async function resolveHost(host: string): Promise<string> {
  if (net.isIP(host) !== 0) return host;
  const [first] = await Bun.dns.lookup(host, { backend: "c-ares" });
  if (!first) throw new Error(`no address for ${host}`);
  return first.address;
}
