/** Sends back its input, on a port that it prints: the other end of a round trip. */
import { type AddressInfo, createServer } from "node:net";

const server = createServer({ noDelay: true }, (socket) => socket.pipe(socket));
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
process.stdin.on("close", () => process.exit(0)).resume();
