/**
 * The ways in which one name, or one host's processes, once made two primaries. Each says in the end what the
 * newcomer, or the agent that started anew, did about it: a try in which it did nothing has shown nothing.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { signal } from "../../src/demo/processes.ts";
import { sleep, waitFor } from "../../src/demo/wait_for.ts";
import type { IdentityCluster } from "./identity_cluster.ts";

const DEADLINE_MS = 60_000;
/** A service manager's. */
const RESTART_MS = 1000;
/** After the last event that could begin a second primary. */
const MORE_MS = 1500;
/** The predecessor is stopped while the newcomer asks for its place, is refused, or waits. */
const STAGGER_MS = 300;
/** Twice: once as it came, and once as a service manager starts it again. */
const REFUSALS = 2;

export interface Way {
  readonly name: string;
  /** The agent is stopped and armed: nothing may be confirmed after its lease. */
  readonly lateFromHarm: boolean;
  readonly inPause: boolean;
  begin(scene: Scene): Promise<Trial>;
}

export interface Scene {
  readonly it: IdentityCluster;
  readonly primary: Host;
  /** A founder that is no primary. */
  readonly other: Host;
  /** Whether a host but the primary has confirmed a write by now. */
  readonly isSucceeded: () => boolean;
}

/** One try, after the harm. */
export interface Trial {
  /** The moment of the harm that counts for the lease. */
  readonly harmMs: number;
  /** Returns when a second primary would long have been seen. */
  watch(): Promise<void>;
  /** Undoes the harm, as far as IdentityCluster.restored() does not. */
  heal(): Promise<void> | void;
  /** What was done about it, as counts; throws when it was nothing. */
  proof(): string;
}

/** A machine with another one's name, started again as often as it ends. */
class Newcomer {
  starts = 0;
  readonly #original: string;
  readonly #logBefore: number;
  #wanted = true;
  #kept: Promise<void> | null = null;

  readonly host: Host;

  constructor(host: Host, name: string) {
    this.host = host;
    this.#original = readFileSync(host.configFile, "utf8");
    this.#logBefore = host.log().length;
    const renamed = this.#original.replace(/^name: .*$/m, `name: ${name}`);
    if (renamed === this.#original) throw new Error(`${host.name} has no other name`);
    writeFileSync(host.configFile, renamed);
  }

  start(): void {
    this.#kept = this.#keepRunning();
  }

  async stop(): Promise<void> {
    this.#wanted = false;
    await this.#kept;
    if (this.host.agentPid() !== null) await this.host.killAgent();
    writeFileSync(this.host.configFile, this.#original);
  }

  /** Its agent has begun to look for the others. */
  get hasStarted(): boolean {
    return this.#count(" started as ") > 0;
  }

  get refusals(): number {
    return this.#count("Can't start; there is already a node named");
  }

  get waits(): number {
    return this.#count("holds the lock as '");
  }

  proof(): string {
    if (this.refusals + this.waits === 0) {
      throw new Error(`the newcomer neither waited nor was refused in ${this.starts} starts`);
    }
    return `newcomer refused ${this.refusals}, waited ${this.waits}`;
  }

  #count(text: string): number {
    return this.host.log().slice(this.#logBefore).split(text).length - 1;
  }

  async #keepRunning(): Promise<void> {
    while (this.#wanted) {
      if (this.host.agentPid() === null) {
        this.host.start();
        this.starts++;
        await sleep(RESTART_MS);
      }
      await sleep(50);
    }
  }
}

type Predecessor = "alive" | "stopped" | "cut off from its own REST port";

/** `place`: a founder's host and raft address, or a new host with nothing on its disk. */
function namesake(place: "founder" | "replacement", predecessor: Predecessor, inPause: boolean): Way {
  const newcomer = place === "founder" ? "a founder takes its name" : "a new host takes its name";
  const agent = predecessor === "alive" ? "agent alive" : `agent ${predecessor}`;
  return {
    name: `${inPause ? "in pause: " : ""}${agent}, ${newcomer}`,
    lateFromHarm: predecessor === "stopped" && !inPause,
    inPause,
    async begin({ it, primary, other, isSucceeded }) {
      const host = place === "founder" ? other : it.spare;
      if (host.agentPid() !== null) await host.killAgent();
      const second = new Newcomer(host, primary.name);
      const index = it.indexOf(primary);
      if (predecessor === "cut off from its own REST port") {
        it.network.cutPort(index, primary.addresses.restPort);
      }
      second.start();
      // Also with a short lease the newcomer is to be there before it ends.
      if (predecessor === "stopped") {
        await waitFor("the newcomer's start", DEADLINE_MS, () => second.hasStarted, 5);
      }
      await sleep(STAGGER_MS * Math.random());
      const harmMs = nowMs();
      if (predecessor === "stopped") primary.signalAgent("SIGSTOP");
      return {
        harmMs,
        async watch() {
          if (predecessor === "stopped") {
            if (!inPause) await waitFor("a successor", it.ttlMs + DEADLINE_MS, isSucceeded);
            const leaseMs = harmMs + it.ttlMs - nowMs();
            await sleep(Math.max(0, leaseMs));
            // As long as the predecessor was heard a moment ago it is refused, and then it waits.
            if (inPause) await waitFor("a newcomer that waits", DEADLINE_MS, () => second.waits > 0);
          } else {
            await waitFor("two refusals", DEADLINE_MS, () => second.refusals >= REFUSALS || second.waits > 0);
          }
          await sleep(MORE_MS);
        },
        async heal() {
          await second.stop();
          it.network.mendPort(index, primary.addresses.restPort);
          if (primary.agentPid() !== null) primary.signalAgent("SIGCONT");
        },
        proof: () => second.proof(),
      };
    },
  };
}

/** An agent is killed and started anew while its guard cannot answer it. `silence`: returns what ends it. */
function silentGuard(name: string, silence: (primary: Host, guard: number) => () => void): Way {
  return {
    name,
    lateFromHarm: false,
    inPause: false,
    async begin({ primary }) {
      const guard = primary.guardPid();
      if (guard === null) throw new Error(`the guard of ${primary.name} does not run`);
      const harmMs = nowMs();
      const before = primary.log().length;
      const speak = silence(primary, guard);
      const aboutASecond = sleep(800 + 400 * Math.random()).then(speak);
      await primary.killAgent();
      await sleep(500 * Math.random());
      primary.start();
      const said = () => primary.log().slice(before);
      return {
        harmMs,
        async watch() {
          await aboutASecond;
          await waitFor("a guard", DEADLINE_MS, () => said().includes("connected to the guard"));
          await sleep(2 * MORE_MS);
        },
        heal: speak,
        proof: () => {
          const same = said().includes(`connected to the guard (pid ${guard})`);
          return same ? "the same guard was found again" : "another guard";
        },
      };
    },
  };
}

export const WAYS: readonly Way[] = [
  namesake("founder", "alive", false),
  namesake("founder", "stopped", false),
  namesake("replacement", "stopped", false),
  namesake("replacement", "cut off from its own REST port", false),
  namesake("founder", "stopped", true),
  namesake("replacement", "stopped", true),
  namesake("replacement", "cut off from its own REST port", true),
  silentGuard("guard stopped for a second, agent started anew", (_, guard) => {
    signal(guard, "SIGSTOP");
    return () => void signal(guard, "SIGCONT");
  }),
  silentGuard("guard without its socket, agent started anew", (primary) => {
    rmSync(join(primary.directory, "raft", "run", "guard.sock"));
    return () => {};
  }),
];
