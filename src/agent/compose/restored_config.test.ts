import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MINIMAL, parsedConfig } from "../../config/testing.ts";
import { MemoryLog } from "../../lib/log.ts";
import { writeRecordedConfig } from "../../postgres/recorded_config.ts";
import { RestoredConfig } from "./restored_config.ts";

const root = mkdtempSync(join(tmpdir(), "agent-restored-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let directories = 0;

function member() {
  const dataDir = join(root, String(++directories));
  mkdirSync(join(dataDir, "global"), { recursive: true });
  writeFileSync(join(dataDir, "global", "pg_control"), "");
  const parsed = parsedConfig(`${MINIMAL}bootstrap: {dcs: {ttl: 11}}\n`);
  const config = { ...parsed, postgresql: { ...parsed.postgresql!, dataDir } };
  const log = new MemoryLog();
  return {
    dataDir,
    file: join(dataDir, "patroni.dynamic.json"),
    log,
    config,
    restored: new RestoredConfig(() => config, log),
  };
}

test("without the file a cluster begins with bootstrap.dcs, and nothing is said", () => {
  const { restored, log } = member();
  expect([restored.untilKnown(), restored.forNewCluster()]).toEqual([{ ttl: 11 }, { ttl: 11 }]);
  expect(log.lines).toEqual([]);
});

test("what was kept comes before bootstrap.dcs, and what a PATCH is refused for is left out, said once", () => {
  const { dataDir, restored, log } = member();
  const kept = {
    ttl: 9,
    pause: true,
    synchronous_mode: "odd",
    postgresql: { parameters: { work_mem: "5MB" } },
  };
  expect(writeRecordedConfig(dataDir, kept)).toBe(true);
  expect(writeRecordedConfig(dataDir, kept)).toBe(false);
  const usable = { ttl: 9, postgresql: { parameters: { work_mem: "5MB" } } };
  expect(restored.untilKnown()).toEqual(usable);
  expect(log.lines).toEqual([]);
  for (let look = 0; look < 3; look++) expect(restored.forNewCluster()).toEqual(usable);
  expect(log.lines.map((line) => line.replace(dataDir, ""))).toEqual([
    "INFO: the cluster begins with the configuration in /patroni.dynamic.json; bootstrap.dcs is not read",
    "WARNING: /patroni.dynamic.json: left out: pause: a new cluster does not begin in maintenance mode",
    expect.stringContaining("WARNING: /patroni.dynamic.json: left out: synchronous_mode: "),
  ]);
});

test("a ttl that the lease cannot have is left out", () => {
  const { dataDir, restored, config } = member();
  const { raft } = config;
  Object.assign(config, { raft: { ...raft, electionMinMs: 6000, electionMaxMs: 10_000 } });
  writeRecordedConfig(dataDir, { ttl: 2, check_timeline: true });
  expect(restored.forNewCluster()).not.toHaveProperty("ttl");
});

test("a file that cannot be used is said once, and bootstrap.dcs counts", () => {
  const { file, restored, log } = member();
  writeFileSync(file, "{nonsense");
  expect([restored.forNewCluster(), restored.forNewCluster()]).toEqual([{ ttl: 11 }, { ttl: 11 }]);
  writeFileSync(file, " ".repeat(2 ** 20 + 1));
  expect(restored.untilKnown()).toEqual({ ttl: 11 });
  rmSync(file);
  mkdirSync(file);
  chmodSync(file, 0o700);
  expect(restored.untilKnown()).toEqual({ ttl: 11 });
  expect(log.lines.length).toBe(3);
  expect(log.lines.every((line) => line.startsWith("WARNING: ") && line.includes("bootstrap.dcs is"))).toBe(
    true,
  );
});

test("nothing is written where there is no PostgreSQL: an empty directory stays empty", () => {
  const dataDir = join(root, "empty");
  mkdirSync(dataDir);
  expect(writeRecordedConfig(dataDir, { ttl: 5 })).toBe(false);
  expect(writeRecordedConfig(join(root, "absent"), { ttl: 5 })).toBe(false);
});
