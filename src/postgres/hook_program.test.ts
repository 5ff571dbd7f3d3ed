import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { missingProgram } from "./hook_program.ts";

test("the program of a command is a file that can be run, found as it will be when it is needed", () => {
  const directory = mkdtempSync(join(tmpdir(), "agent-hook-"));
  try {
    writeFileSync(join(directory, "fence"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(join(directory, "plain"), "#!/bin/sh\n", { mode: 0o644 });
    const missing = (command: string | null) => missingProgram(command, ["/nonexistent", directory]);
    const found = ["fence --now", `'${directory}/fence' a`, "", null, "./relative", "'open quote"];
    for (const command of found) expect(missing(command)).toBeNull();
    expect(missing("fense --now")).toBe("fense");
    expect(missing("plain")).toBe("plain");
    expect(missing(`${directory}/plain`)).toBe(`${directory}/plain`);
    expect(missing(directory)).toBe(directory);
    expect(missing("/nonexistent/fence x")).toBe("/nonexistent/fence");
    expect(missingProgram("fense", null)).toBeNull();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
