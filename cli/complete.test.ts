import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { completeCommand } from "./complete.ts";
import { StubCluster } from "./ctl/testing.ts";

let cluster: StubCluster;
let directory: string;
/** Takes connections, and never answers. */
let mute: Server;

beforeAll(async () => {
  cluster = new StubCluster();
  directory = mkdtempSync(join(tmpdir(), "complete-"));
  writeFileSync(
    join(directory, "node.yml"),
    `scope: demo\nrestapi: {connect_address: "${cluster.address}"}\n`,
  );
  mute = createServer();
  await new Promise<void>((resolve) => void mute.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  mute.close();
  await cluster.stop();
});

async function names(...args: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  await completeCommand(args, { environment: { HOME: directory }, out: (line) => void lines.push(line) });
  return lines;
}

test("members and the cluster are found as the command on the line would find them", async () => {
  const members = ["node1", "node2", "node3"];
  expect(await names("members", "ctl", "-d", cluster.address, "switchover", "--candidate", "")).toEqual(
    members,
  );
  expect(await names("clusters", "ctl", `--dcs-url=${cluster.address}`, "pause", "")).toEqual(["demo"]);
  expect(await names("clusters,members", "ctl", "restart", "-c", "~/node.yml", "")).toEqual([
    "demo",
    ...members,
  ]);
  // There -d is the database, and -c the statement.
  const query = [
    "ctl",
    "--config-file",
    join(directory, "node.yml"),
    "query",
    "-c",
    "SELECT 1",
    "-d",
    "app",
    "-m",
    "",
  ];
  expect(await names("members", ...query)).toEqual(members);
});

test("where nobody answers, or the file is not there, nothing is said", async () => {
  expect(await names("members", "ctl", "-d", "127.0.0.1:1", "dsn", "-m", "")).toEqual([]);
  expect(await names("members", "ctl", "-c", "/nowhere.yml", "dsn", "-m", "")).toEqual([]);
  const { port } = mute.address() as AddressInfo;
  expect(await names("members", "ctl", "-d", `127.0.0.1:${port}`, "dsn", "-m", "")).toEqual([]);
  // A word that is not finished is no address yet.
  expect(await names("members", "ctl", "-d", "127.0.0.1:1", "list", "-d", cluster.address)).toEqual([]);
});

test("a name that a shell would take for a command, or the program for an option, is not proposed", async () => {
  const before = cluster.port.view().dcs!.members;
  cluster.port.changeDcs({
    members: {
      ...before,
      "$(reboot)": { ...before.node2!, name: "$(reboot)" },
      "--force": { ...before.node2!, name: "--force" },
    },
  });
  const found = await names("members", "ctl", "-d", cluster.address, "switchover", "--candidate", "");
  expect(found).not.toContain("$(reboot)");
  expect(found).not.toContain("--force");
  expect(found).toContain("node2");
  cluster.port.changeDcs({ members: before });
});
