/** A session of TLS that is resumed is not verified again: it must let nobody in after its certificate. */
import { afterEach, expect, setSystemTime, test } from "bun:test";
import { connect, type TLSSocket } from "node:tls";
import { type Listener, tlsLayer } from "./socket_layer.ts";
import { Authority } from "./testing_certificates.ts";

let listener: Listener;
const sockets: TLSSocket[] = [];

afterEach(() => {
  setSystemTime();
  for (const socket of sockets.splice(0)) socket.destroy();
  listener.close();
});

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`${version}: a resumed session whose certificate has ended is refused`, async () => {
    const authority = new Authority("authority");
    const files = authority.issue({ names: ["127.0.0.1"] });
    const client = authority.issue();
    let told = Promise.withResolvers<string>();
    const listening = Promise.withResolvers<Listener>();
    listener = tlsLayer(files).listen("127.0.0.1", 0, {
      onListening: listening.resolve,
      onError: listening.reject,
      onKnock: () => true,
      onSocket: (socket) => {
        socket.write("in");
        told.resolve("in");
      },
      onRefused: (_, reason) => told.resolve(reason),
    });
    const { port } = await listening.promise;
    const { ca, cert, key } = client;
    const versions = { minVersion: version, maxVersion: version };
    const dial = (session?: Buffer) => {
      const socket = connect({ host: "127.0.0.1", port, ca, cert, key, session, ...versions });
      sockets.push(socket);
      socket.on("data", () => {});
      socket.on("error", () => {}); // The other side says why.
      return socket;
    };
    const session = new Promise<Buffer>((resolve) => dial().on("session", resolve));
    expect(await told.promise).toBe("in");
    const ticket = await session;
    told = Promise.withResolvers();
    dial(ticket);
    expect(await told.promise).toBe("in");
    setSystemTime(new Date("2120-01-02T00:00:00Z"));
    told = Promise.withResolvers();
    const late = dial(ticket);
    expect(await told.promise).toBe("TLS: certificate has expired");
    expect(late.isSessionReused()).toBe(true);
  });
}
