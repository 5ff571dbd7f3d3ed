/** The bad cable of a node: starts its process, reads what it did, and puts the good one back. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { run } from "../../src/demo/run.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import type { Network } from "../e2e/network.ts";
import type { CableReport, CableSettings } from "./cable_process.ts";

const PROGRAM = join(import.meta.dir, "cable_process.ts");
const END_MS = 5000;

export class BadCable {
  readonly #network: Network;
  readonly #index: number;
  readonly #child: ChildProcess;
  #report: CableReport = { passed: 0, lost: 0 };

  /** `prefix`: put before its command. @default nothing */
  constructor(
    network: Network,
    index: number,
    settings: Omit<CableSettings, "cards">,
    prefix: readonly string[] = [],
  ) {
    this.#network = network;
    this.#index = index;
    const cards = network.openCable(index);
    const [program, ...args] = [
      // It must not outlive this process.
      "setpriv",
      "--pdeathsig",
      "KILL",
      ...network.inside(0),
      ...prefix,
      process.execPath,
      PROGRAM,
      JSON.stringify({ ...settings, cards }),
    ];
    this.#child = spawn(program!, args, { stdio: ["ignore", "pipe", "inherit"], cwd: "/" });
    this.#child.stdout!.on("data", (chunk: Buffer) => {
      const line = chunk.toString().trim().split("\n").at(-1)!;
      // A line comes in one piece: it is far shorter than what a pipe takes at once.
      this.#report = JSON.parse(line) as CableReport;
    });
  }

  get report(): CableReport {
    if (this.#child.exitCode !== null) throw new Error("the cable's program has ended");
    return this.#report;
  }

  async remove(): Promise<CableReport> {
    const ended = () => this.#child.exitCode !== null || this.#child.signalCode !== null;
    this.#child.kill("SIGKILL");
    await waitFor("the end of the bad cable", END_MS, ended, 2);
    this.#network.closeCable(this.#index);
    return this.#report;
  }
}

/** Among so many packets one is lost for certain, at the least part that is drawn. */
const CERTAIN = 300;

/** Why a bad cable has had no effect; null: it had. `losesSome`: it is to lose packets. */
export function whyNoEffect({ passed, lost }: CableReport, losesSome: boolean): string | null {
  if (passed + lost === 0) return "no packet came to it";
  if (losesSome && lost === 0 && passed > CERTAIN) return `it lost none of ${passed} packets`;
  return !losesSome && passed === 0 ? "no packet went through" : null;
}

/** Before bad cables carry whole packets of these nodes, and of this host. */
export async function prepareCables(network: Network, nodes: number): Promise<void> {
  const places = [
    { inside: [] as string[], card: network.ownCard },
    ...Array.from({ length: nodes }, (_, i) => ({ inside: network.inside(i + 1), card: "eth0" })),
  ];
  await Promise.all(places.map(async ({ inside, card }) => {
    const [program, ...args] = [...inside, process.execPath, PROGRAM, "--without-offload", card];
    const { code, output } = await run(program!, args, "/");
    if (code !== 0) throw new Error(`offloads of ${card} cannot be switched off: ${output}`);
  }));
}
