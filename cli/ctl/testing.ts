/** Runs `agent ctl` in tests: against a stub of an agent behind real HTTP, with a terminal made of lists. */
import { type ApiServer, startApiServer } from "../../src/api/server.ts";
import { MEMBERS, stubLocalConfig, StubPort } from "../../src/api/testing.ts";
import type { Io } from "./io.ts";
import { ctlCommand } from "./main.ts";

export interface Outcome {
  readonly code: number;
  /** Standard output as it was written, questions included, without the last newline. */
  readonly out: string;
  readonly err: string;
}

/** A cluster all of whose members are one and the same stub. */
export class StubCluster {
  readonly port = new StubPort();
  readonly #server: ApiServer;

  constructor() {
    this.#server = startApiServer(this.port, stubLocalConfig(), {
      onError: (error) => {
        throw error;
      },
    });
    const { members } = this.port.view().dcs!;
    const here = Object.entries(members).map(([name, facts]) => [name, { ...facts, apiUrl: this.apiUrl }]);
    this.port.changeDcs({ members: Object.fromEntries(here) });
    for (const name of MEMBERS) this.port.changeMember(name, { apiUrl: this.apiUrl });
  }

  get address(): string {
    return `127.0.0.1:${this.#server.port}`;
  }

  get apiUrl(): string {
    return `http://${this.address}/patroni`;
  }

  /** `agent ctl -d <this cluster> words...` with these lines typed. */
  ctl(words: readonly string[], typed: readonly string[] = []): Promise<Outcome> {
    return runCtl(["-d", this.address, ...words], typed);
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }
}

export async function runCtl(
  words: readonly string[],
  typed: readonly string[] = [],
  environment: Io["environment"] = {},
): Promise<Outcome> {
  let out = "";
  let err = "";
  const lines = [...typed];
  const code = await ctlCommand(words, {
    out: (line) => void (out += `${line}\n`),
    err: (line) => void (err += `${line}\n`),
    ask: (text) => void (out += text),
    readLine: () => Promise.resolve(lines.shift() ?? null),
    readAll: () => Promise.resolve(lines.splice(0).map((line) => `${line}\n`).join("")),
    readSecret: () => Promise.resolve(lines.shift() ?? null),
    isTerminal: false,
    size: () => null,
    environment,
  });
  return { code, out: out.replace(/\n$/, ""), err: err.replace(/\n$/, "") };
}
