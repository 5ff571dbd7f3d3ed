import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Symptom, symptom } from "../../brain/health/symptoms.ts";
import { PRIMARY_DIRECTORY } from "../../brain/testing.ts";
import { DEFAULT_DYNAMIC } from "../../config/testing.ts";
import { MemoryLog } from "../../lib/log.ts";
import { HealthWatch, type HealthWatchOptions } from "./health_watch.ts";

const PROBE = [process.execPath, join(import.meta.dir, "../../../cli/main.ts")];
const base = mkdtempSync(join(tmpdir(), "health-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));
mkdirSync(join(base, "pg_wal"));

const HUNG = symptom("postmaster-hung", "critical", "silent");

/** A watch whose timer the test fires. */
class Watched {
  readonly log = new MemoryLog();
  dynamic = { ...DEFAULT_DYNAMIC, diskCriticalPercent: 0, diskWarningPercent: 0 };
  postgres: ReturnType<HealthWatchOptions["postgres"]> = {
    walLsn: 1000,
    receivedLsn: null,
    directory: PRIMARY_DIRECTORY,
    action: null,
    process: "running",
  };
  postmasterPid: number | null = 100;
  server: readonly Symptom[] | null = [];
  changes = 0;
  readonly delays: number[] = [];
  #nowMs = 0;
  #fire: () => void = () => {};
  readonly watch: HealthWatch;

  constructor(over: Partial<HealthWatchOptions> = {}) {
    this.watch = new HealthWatch({
      clock: {
        now: () => this.#nowMs,
        soon: queueMicrotask,
        after: (delayMs, fire) => {
          this.delays.push(delayMs);
          this.#fire = fire;
          return { cancel: () => {} };
        },
      },
      wallMs: () => this.#nowMs,
      log: this.log,
      command: PROBE,
      dataDir: base,
      postgres: () => this.postgres,
      postmasterPid: () => this.postmasterPid,
      lookAtServer: () => Promise.resolve(this.server),
      dynamic: () => this.dynamic,
      changed: () => this.changes++,
      ...over,
    });
    this.watch.start();
  }

  get shown(): string[] | null {
    return this.watch.ailments()?.map(({ cause, severity }) => `${cause} ${severity}`) ?? null;
  }

  /** Time goes on to the next look. */
  tick(): void {
    this.#nowMs += this.delays.at(-1)!;
    this.#fire();
  }

  /** The same, and its probe has ended. */
  async look(): Promise<void> {
    const before = this.watch.places;
    this.tick();
    for (let i = 0; i < 1000 && this.watch.places === before; i++) await Bun.sleep(5);
    expect(this.watch.places).not.toBe(before);
  }
}

test("nothing is said before there were enough looks, which come soon", async () => {
  const watched = new Watched();
  expect(watched.shown).toBeNull();
  await watched.look();
  expect(watched.shown).toBeNull();
  await watched.look();
  expect(watched.shown).toEqual([]);
  expect(watched.changes).toBe(1);
  watched.tick();
  expect(watched.delays).toEqual([2000, 2000, 2000, 10_000]);
  expect(watched.log.lines).toEqual([]);
});

test("an ailment is told when it begins and when it ends", async () => {
  const watched = new Watched();
  watched.dynamic = { ...watched.dynamic, diskCriticalPercent: 100, diskCapBytes: Number.MAX_SAFE_INTEGER };
  await watched.look();
  await watched.look();
  expect(watched.shown).toEqual(["data-space critical"]);
  expect(watched.log.lines.join("\n")).toMatch(
    /ERROR.*data-space \(critical\): .* free .* in the file system of /,
  );
  watched.dynamic = { ...watched.dynamic, diskCriticalPercent: 0 };
  for (let i = 0; i < 3; i++) await watched.look();
  expect(watched.shown).toEqual([]);
  expect(watched.log.lines.at(-1)).toContain(
    "data-space is over; it had lasted since 1970-01-01T00:00:04.000Z",
  );
});

test("a probe that hangs is an ailment once it has lasted for its limit, and no second one is begun", async () => {
  const watched = new Watched({
    command: ["sh", "-c", `echo '{"at":"/hangs","kind":"data"}'; exec sleep 3`],
  });
  watched.tick();
  await Bun.sleep(300);
  for (let i = 0; i < 15; i++) watched.tick();
  expect(watched.shown).toBeNull();
  watched.tick();
  expect(watched.shown).toEqual(["hung-disk critical"]);
  expect(watched.log.lines.join("\n")).toContain(
    "a small file in /hangs has not been written and read for 32 s",
  );
});

test("a probe that does not get started says nothing of the disks", () => {
  const watched = new Watched({ command: ["sh", "-c", "exec sleep 1"] });
  for (let i = 0; i < 40; i++) watched.tick();
  expect(watched.shown).toBeNull();
});

test("a server that is not sure is not hung", async () => {
  const watched = new Watched();
  watched.server = [HUNG];
  await watched.look();
  await watched.look();
  expect(watched.shown).toEqual([]);
  watched.server = null;
  await watched.look();
  watched.server = [HUNG];
  await watched.look();
  expect(watched.shown).toEqual(["postmaster-hung critical"]);
});

test("a server that is stopped because it hangs stays ill until another one runs", async () => {
  const watched = new Watched();
  watched.server = [HUNG];
  for (let i = 0; i < 3; i++) await watched.look();
  watched.server = [];
  const action = { kind: "stop", detail: "fast", sinceMs: 0 } as const;
  watched.postgres = { ...watched.postgres, action };
  for (let i = 0; i < 8; i++) await watched.look();
  expect(watched.shown).toEqual(["postmaster-hung critical"]);
  expect(watched.watch.ailments()![0]!.doubted).toBeUndefined();
  watched.postgres = { ...watched.postgres, process: "none", action: null };
  watched.postmasterPid = null;
  await watched.look();
  expect(watched.shown).toEqual(["postmaster-hung critical"]);
  expect(watched.watch.ailments()![0]!.doubted).toBeUndefined();
  watched.postgres = { ...watched.postgres, process: "running" };
  watched.postmasterPid = 101;
  expect(watched.shown).toEqual([]);
  await watched.look();
  expect(watched.shown).toEqual([]);
  expect(watched.log.lines.at(-1)).toContain(
    "postmaster-hung is over: another postmaster runs; it had lasted",
  );
});

test("one that stays away is not ill for ever", async () => {
  const watched = new Watched();
  watched.server = [HUNG];
  for (let i = 0; i < 3; i++) await watched.look();
  watched.postgres = { ...watched.postgres, process: "none" };
  for (let i = 0; i < 8; i++) await watched.look();
  expect(watched.shown).toEqual([]);
});

/** Probes as production does, until the file is there; then each waits, at `path`. */
function hangsWith(flag: string, path: string): string[] {
  const script = `if [ -e ${flag} ]; then echo '{"at":"${path}","kind":"data"}'; exec sleep 3; fi; exec "$@"`;
  return ["sh", "-c", script, "sh", ...PROBE];
}

test("a disk that writes WAL while a small file waits is slow, and hangs once WAL stands still", async () => {
  const flag = join(base, "waits");
  const watched = new Watched({ command: hangsWith(flag, base) });
  await watched.look();
  await watched.look();
  writeFileSync(flag, "");
  const places = watched.watch.places;
  watched.tick();
  await Bun.sleep(300);
  for (let lsn = 1001; lsn < 1010; lsn++) {
    watched.postgres = { ...watched.postgres, walLsn: lsn };
    watched.tick();
  }
  expect(watched.watch.places).toBe(places);
  expect(watched.shown).toEqual(["slow-disk warning"]);
  for (let i = 0; i < 5; i++) watched.tick();
  expect(watched.shown).toEqual(["hung-disk critical"]);
  rmSync(flag);
});

test("what was found is forgotten when no probe comes to its end any more", async () => {
  const flag = join(base, "silent");
  const script = `[ -e ${flag} ] && exec sleep 3; exec "$@"`;
  const watched = new Watched({ command: ["sh", "-c", script, "sh", ...PROBE] });
  watched.server = null;
  await watched.look();
  await watched.look();
  expect(watched.shown).toEqual([]);
  const { changes } = watched;
  writeFileSync(flag, "");
  for (let i = 0; i < 5; i++) watched.tick();
  expect(watched.shown).toEqual([]);
  for (let i = 0; i < 2; i++) watched.tick();
  expect(watched.shown).toBeNull();
  expect(watched.watch.places).toEqual([]);
  expect(watched.changes).toBe(changes + 1);
  expect(watched.log.lines.filter((line) => line.includes("not looked at for a while"))).toHaveLength(1);
  rmSync(flag);
});

test("neither is a member sick for ever of what nobody can look at any more", async () => {
  const flag = join(base, "gone");
  const script = `[ -e ${flag} ] && exit 1; exec "$@"`;
  const watched = new Watched({ command: ["sh", "-c", script, "sh", ...PROBE] });
  watched.dynamic = { ...watched.dynamic, diskCriticalPercent: 100, diskCapBytes: Number.MAX_SAFE_INTEGER };
  watched.server = [HUNG];
  for (let i = 0; i < 3; i++) await watched.look();
  expect(watched.shown).toEqual(["data-space critical", "postmaster-hung critical"]);
  writeFileSync(flag, "");
  watched.server = null;
  for (let i = 0; i < 8; i++) {
    watched.tick();
    await Bun.sleep(20);
  }
  expect(watched.shown).toBeNull();
  expect(watched.log.lines.filter((line) => line.includes("is not known any more"))).toHaveLength(2);
  rmSync(flag);
});

test("a probe that cannot be run is told once", async () => {
  const watched = new Watched({ command: [join(base, "nothing")] });
  for (let i = 0; i < 3; i++) {
    watched.tick();
    await Bun.sleep(50);
  }
  expect(watched.shown).toBeNull();
  expect(watched.log.lines).toHaveLength(1);
  expect(watched.log.lines[0]).toContain(
    "the disks were not looked at, and nothing is known of them: not started",
  );
});

test("beside an action that fills the directory nothing is probed", () => {
  const watched = new Watched();
  watched.postgres = { ...watched.postgres, action: { kind: "clone", sinceMs: 0, detail: "" } };
  watched.tick();
  watched.postgres = { ...watched.postgres, directory: { kind: "absent" }, action: null, process: "none" };
  watched.tick();
  expect(watched.watch.places).toEqual([]);
  expect(watched.shown).toBeNull();
});

test("a copy that takes long makes what was found before unknown, without a warning", async () => {
  const watched = new Watched();
  await watched.look();
  await watched.look();
  expect(watched.shown).toEqual([]);
  watched.postgres = {
    ...watched.postgres,
    action: { kind: "clone", sinceMs: 0, detail: "" },
    process: "none",
  };
  for (let i = 0; i < 8; i++) watched.tick();
  expect(watched.shown).toBeNull();
  expect(watched.log.lines).toEqual([]);
});

test("switched off, it knows nothing", async () => {
  const watched = new Watched();
  await watched.look();
  await watched.look();
  watched.dynamic = { ...watched.dynamic, healthIntervalS: 0 };
  watched.tick();
  expect(watched.shown).toBeNull();
  expect(watched.watch.places).toEqual([]);
  watched.tick();
  expect(watched.changes).toBe(2);
});
