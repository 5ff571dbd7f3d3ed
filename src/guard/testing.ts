/**
 * For the tests of this folder: a directory with a stand-in for PostgreSQL, whose two "backends" write a line
 * to the file `acks` every few milliseconds, and guards and clients around it. `bun testing.ts guard|shim
 * ...` is the executable that they start.
 */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock } from "../lib/clock.ts";
import { MemoryLog } from "../lib/log.ts";
import { VERSION } from "../model/version.ts";
import { GuardClient, type GuardClientOptions } from "./client.ts";
import { parseGuardArguments } from "./guard_arguments.ts";
import type { GuardDone, GuardReply, StartSpec } from "./port.ts";
import type { GuardView } from "../model/guard_view.ts";
import { runPostgresShim } from "./postgres_shim.ts";
import { ProcessGroup } from "./process_group.ts";
import { runGuard } from "./server.ts";

const command = [process.execPath, import.meta.path];

/** Shuts down as the postmaster does: SIGINT and SIGQUIT end the children and then itself. */
const FAKE_POSTGRES = `#!/bin/sh
cd "$2" || exit 1
ls /proc/$$/fd > descriptors
children=""
stop() { kill -9 $children 2>/dev/null; rm -f postmaster.pid; exit $1; }
trap 'stop 0' INT
trap 'stop 2' QUIT
trap 'echo reloaded >> signals' HUP
trap 'echo promoted >> signals' USR1
for backend in 1 2; do
  setsid sh -c 'trap "" HUP; while :; do echo ack >> acks; sleep 0.01; done' &
  children="$children $!"
done
echo $$ > postmaster.pid
echo "$@" > arguments
env > environment
while :; do wait; done
`;

export class Site {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), "guard-")));
  readonly dataDir = join(this.root, "data");
  readonly clock = new SystemClock();
  readonly log = new MemoryLog();
  readonly group: ProcessGroup;
  readonly #program = join(this.root, "postgres.sh");
  readonly #clients: GuardClient[] = [];

  constructor() {
    mkdirSync(this.dataDir);
    writeFileSync(this.#program, FAKE_POSTGRES);
    chmodSync(this.#program, 0o755);
    this.group = new ProcessGroup(this.dataDir, () => ({ guard: 0, agent: 0 }));
  }

  /** `release`: what agent and guard are to be of. */
  client(onSuperseded?: () => void, release = VERSION): GuardClient {
    return this.#add({ command: [...command, "guard", "--release", release], release, onSuperseded });
  }

  /** An agent that meets a server which none has managed: it does not freeze it when a guard begins late. */
  unmanagedClient(): GuardClient {
    return this.#add({ unmanaged: true });
  }

  /** The same agent after its configuration names another data directory. */
  clientElsewhere(dataDir: string): GuardClient {
    return this.#add({ dataDir });
  }

  /** An agent of another raft directory on the same data directory. */
  otherClient(onTaken: (why: string) => void): GuardClient {
    return this.#add({ directory: join(this.root, "other"), onTaken });
  }

  #add(options: Partial<GuardClientOptions>): GuardClient {
    const { root: directory, dataDir, clock, log } = this;
    const client = new GuardClient({
      directory,
      dataDir,
      command: [...command, "guard"],
      clock,
      log,
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  spec(epoch: number | null, env: { [name: string]: string } = {}): StartSpec {
    const { dataDir } = this;
    const program = this.#program;
    return { program, args: ["-D", dataDir], env: { PATH: process.env.PATH ?? "", ...env }, dataDir, epoch };
  }

  /** The stand-in without a guard, as an operator would start it: not a child of this process. */
  startByHand(): number {
    return startDetached(`exec setsid ${this.#program} -D ${this.dataDir}`, this.root);
  }

  isUp(): boolean {
    return this.read("environment") !== "" && this.acks() > 0;
  }

  read(name: string): string {
    try {
      return readFileSync(join(this.dataDir, name), "utf8");
    } catch {
      return ""; // not written yet
    }
  }

  acks(): number {
    return this.read("acks").length;
  }

  /** True when the file of acknowledgements grows; false when it did not in 100 ms. */
  async acknowledges(): Promise<boolean> {
    const before = this.acks();
    const deadline = Date.now() + 100;
    while (Date.now() < deadline) {
      if (this.acks() > before) return true;
      await Bun.sleep(5);
    }
    return false;
  }

  /** Ends everything of this site, guards included, and removes it. */
  async remove(): Promise<void> {
    for (const client of this.#clients) {
      await new Promise<void>((resolve) =>
        client.view().state === "none" ? resolve() : client.kill(() => resolve())
      );
      await new Promise<void>((resolve) => client.shutdown(resolve));
    }
    while (!this.group.kill(null)) await Bun.sleep(5);
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Runs a shell command as a child of init and returns its pid. */
export function startDetached(script: string, cwd: string): number {
  const shell = ["sh", "-c", `(${script}) > /dev/null 2>&1 & echo $!`];
  return Number(Bun.spawnSync(shell, { cwd, stdin: "ignore" }).stdout.toString());
}

/** Runs `body` with a site that is gone afterwards. */
export async function withSite(body: (site: Site) => Promise<void>): Promise<void> {
  const site = new Site();
  try {
    await body(site);
  } catch (error) {
    const lines = site.log.lines.join("\n");
    throw new Error(`${error instanceof Error ? error.message : String(error)}\nlog:\n${lines}`, {
      cause: error,
    });
  } finally {
    await site.remove();
  }
}

export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited too long until ${what}`);
    await Bun.sleep(5);
  }
}

export function untilView(
  client: GuardClient,
  what: string,
  condition: (view: GuardView) => boolean,
  limitMs?: number,
): Promise<void> {
  return until(what, () => condition(client.view()), limitMs).catch((error) => {
    throw new Error(`${error.message}; the view was ${JSON.stringify(client.view())}`);
  });
}

export function connected(client: GuardClient): Promise<void> {
  return untilView(client, "the guard answers", (view) => view.state !== "none");
}

/**
 * A primary of epoch 3 that acknowledges, with a long lease: how long it takes to start does not matter.
 * Returns the postmaster's pid.
 */
export async function startPrimary(site: Site, client: GuardClient): Promise<number> {
  await connected(client);
  await armFor(site, client, 60_000);
  const started = await reply((done) => client.start(site.spec(3), done));
  if (!started.ok) throw new Error(started.error);
  await until("the backends acknowledge", () => site.isUp());
  return client.view().postmaster?.pid ?? 0;
}

/** The lease of epoch 3 ends in `leaseMs` from now. */
export async function armFor(site: Site, client: GuardClient, leaseMs: number): Promise<void> {
  const armed = await reply((done) => client.arm(3, site.clock.now() + leaseMs, false, done));
  if (!armed.ok) throw new Error(armed.error);
}

export function reply(call: (done: GuardDone) => void): Promise<GuardReply> {
  return new Promise((resolve) => call(resolve));
}

function main([what, ...args]: readonly string[]): void {
  if (what === "shim") runPostgresShim(args);
  const options = parseGuardArguments(args);
  if (options === null) throw new Error("too few arguments");
  const at = args.indexOf("--release");
  const release = at < 0 ? VERSION : args[at + 1];
  runGuard({ ...options, release, shimCommand: [...command, "shim"] });
}

if (import.meta.main) main(process.argv.slice(2));
