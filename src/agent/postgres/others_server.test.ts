import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GuardView } from "../../model/guard_view.ts";
import { OthersServer } from "./others_server.ts";

test("the guard looks around where a lock file shows that others have started a server, and only then", async () => {
  const directory = mkdtempSync(join(tmpdir(), "others-server-"));
  try {
    let pings = 0;
    let postmaster: object | null = null;
    const guard = { view: () => ({ postmaster }) as GuardView, ping: () => void pings++ };
    const others = new OthersServer(directory, guard);
    await others.look();
    expect(pings).toBe(0);
    writeFileSync(join(directory, "postmaster.pid"), "1\n");
    await others.look();
    expect(pings).toBe(1);
    postmaster = { pid: 1 };
    await others.look();
    expect(pings).toBe(1);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
