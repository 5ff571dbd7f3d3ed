/**
 * What the runtime takes for itself: a compiled program that does nothing, or that answers each small message
 * of a socket with one of the same size. With what agent and guard do to be light at rest, and nothing else.
 * usage: floor_process nothing | floor_process PORT
 */
import { keepCodeLight } from "../../src/lib/idle_code.ts";

keepCodeLight((why) => process.stderr.write(`${why}\n`));
const what = process.argv[2] ?? "";
if (what === "nothing") {
  setInterval(() => undefined, 2 ** 30);
} else {
  await Bun.connect({
    hostname: "127.0.0.1",
    port: Number(what),
    socket: {
      data: (socket, message) => {
        socket.write(message);
      },
      close: () => process.exit(0),
    },
  });
}
