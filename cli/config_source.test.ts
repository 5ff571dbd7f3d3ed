import { afterEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpuMs } from "../raft/testing.ts";
import { MINIMAL } from "../src/config/testing.ts";
import { captureEnvironment, loadConfig, readSources } from "./config_source.ts";

const directories: string[] = [];
function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "config-source-"));
  directories.push(directory);
  return directory;
}
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

test("PATRONI_ variables leave the process's environment, others stay", () => {
  const environment: NodeJS.ProcessEnv = {
    PATRONI_NAME: "x",
    PATRONI_RESTAPI_PASSWORD: "p",
    HOME: "/h",
    PATH: "/bin",
    PATRONICTL_CONFIG_FILE: "f",
  };
  expect(captureEnvironment(environment)).toEqual({
    PATRONI_NAME: "x",
    PATRONI_RESTAPI_PASSWORD: "p",
    HOME: "/h",
  });
  expect(environment).toEqual({ HOME: "/h", PATH: "/bin", PATRONICTL_CONFIG_FILE: "f" });
});

test("a file, with the environment over it", () => {
  const file = join(temporary(), "a.yml");
  writeFileSync(file, MINIMAL);
  expect(loadConfig({ path: file, environment: { PATRONI_NAME: "node9" } }).config).toMatchObject({
    name: "node9",
    file,
  });
});

test("the yml and yaml of a directory, in order of their names, hidden and other files left out", () => {
  const directory = temporary();
  writeFileSync(join(directory, "20.yaml"), "name: b\n");
  writeFileSync(join(directory, "10.yml"), MINIMAL);
  writeFileSync(join(directory, "30.yml.bak"), "name: c\n");
  mkdirSync(join(directory, "sub"));
  expect(readSources(directory).sources.map(({ file }) => file)).toEqual([
    join(directory, "10.yml"),
    join(directory, "20.yaml"),
  ]);
  expect(loadConfig({ path: directory, environment: {} }).config).toMatchObject({
    name: "b",
    file: directory,
  });
});

test("what cannot be read is an issue", () => {
  const directory = temporary();
  expect(loadConfig({ path: join(directory, "none.yml"), environment: {} }).issues[0]?.message).toStartWith(
    "cannot be read: ENOENT",
  );
  expect(loadConfig({ path: directory, environment: {} }).issues[0]?.message).toBe(
    "the directory holds no *.yml or *.yaml",
  );
});

test("without a path the environment is the configuration", () => {
  const { config } = loadConfig({ path: null, environment: { PATRONI_CONFIGURATION: MINIMAL } });
  expect(config?.file).toBe("PATRONI_CONFIGURATION");
});

test("a file that is too large for a configuration is not read", () => {
  const file = join(temporary(), "a.yml");
  writeFileSync(file, "");
  truncateSync(file, 8 * 2 ** 30);
  const beganMs = cpuMs();
  expect(loadConfig({ path: file, environment: {} })).toMatchObject({
    config: null,
    issues: [{ severity: "error", file, message: expect.stringContaining("larger than 256 KiB") }],
  });
  expect(cpuMs() - beganMs).toBeLessThan(1000);
});

test("a pipe is read once, and only as far as a configuration goes", async () => {
  const file = join(temporary(), "a.yml");
  expect(Bun.spawnSync(["mkfifo", "-m", "600", file]).exitCode).toBe(0);
  const writer = (text: string) => Bun.spawn(["sh", "-c", text, "sh", file], { stderr: "ignore" });
  const small = writer(`printf 'scope: x' > "$1"`);
  expect(readSources(file)).toEqual({ sources: [{ file, text: "scope: x" }], issue: null });
  const endless = writer(`exec cat /dev/zero > "$1"`);
  expect(readSources(file).issue?.message).toContain("larger than 256 KiB");
  expect(loadConfig({ path: file, environment: {}, again: true }).issues[0]?.message).toBe(
    `cannot be read: ${file} is no ordinary file, and is not read again`,
  );
  await Promise.all([small.exited, endless.exited]);
});

test("a device that never ends is no configuration", () => {
  expect(readSources("/dev/zero").issue?.message).toContain("larger than 256 KiB");
});
