/**
 * The cables and ways between the nodes of a cluster. Faults overlap: what two of them have cut is whole
 * again when both are over.
 */
import { run } from "../../src/demo/run.ts";
import type { Network } from "../e2e/network.ts";

const PROBE_S = 0.5;

type Wiring = Pick<Network, "cut" | "mend" | "cutWay" | "mendWay">;

export class Wires {
  readonly #network: Wiring;
  readonly #cuts = new Map<string, number>();

  constructor(network: Wiring) {
    this.#network = network;
  }

  /** Cuts the cable of a node; returns what mends it. */
  cut(node: number): () => void {
    return this.#hold(`${node}`, () => this.#network.cut(node), () => this.#network.mend(node));
  }

  isCut(node: number): boolean {
    return (this.#cuts.get(`${node}`) ?? 0) > 0;
  }

  /** What `from` sends to each of `to` is lost; returns what mends it. */
  cutWays(from: readonly number[], to: readonly number[]): () => void {
    const mends = from.flatMap((one) =>
      to.filter((other) => other !== one).map((other) =>
        this.#hold(
          `${one} to ${other}`,
          () => this.#network.cutWay(one, other),
          () => this.#network.mendWay(one, other),
        )
      )
    );
    return () => {
      for (const mend of mends) mend();
    };
  }

  #hold(name: string, cut: () => void, mend: () => void): () => void {
    const before = this.#cuts.get(name) ?? 0;
    if (before === 0) cut();
    this.#cuts.set(name, before + 1);
    return () => {
      const left = this.#cuts.get(name)! - 1;
      this.#cuts.set(name, left);
      if (left === 0) mend();
    };
  }
}

/**
 * Whether a connection from a node's place comes to an answer of the other one's kernel, a refusal included:
 * packets go both ways.
 */
export async function hears(inside: readonly string[], address: string, port: number): Promise<boolean> {
  const script = `: > /dev/tcp/${address}/${port}`;
  const [program, ...args] = [...inside, "timeout", String(PROBE_S), "bash", "-c", script];
  const { code, output } = await run(program!, args, "/");
  return code === 0 || output.includes("refused");
}
