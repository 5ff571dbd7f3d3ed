/** The program as a process: what its first argument makes of it, and its exit codes. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { wordsOf } from "./program_name.ts";

function agent(...words: string[]) {
  return called(process.execPath, words);
}

/** `name`: as a link to the program may be called. */
async function called(name: string, words: readonly string[]) {
  const main = join(import.meta.dir, "main.ts");
  const child = Bun.spawn([process.execPath, main, ...words], {
    argv0: name,
    stdout: "pipe",
    stderr: "pipe",
    stdin: "ignore",
  });
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, out, err };
}

test("agent version is one line", async () => {
  expect(await agent("version")).toEqual({ code: 0, out: "agent 0.1.0\n", err: "" });
});

test("agent alone and agent --help give an overview with examples", async () => {
  const [alone, help] = await Promise.all([agent(), agent("--help")]);
  expect(alone).toEqual(help);
  expect(alone.code).toBe(0);
  for (const text of ["run FILE", "ctl COMMAND", "validate-config FILE", "demo", "Examples:"]) {
    expect(alone.out).toContain(text);
  }
});

test("each command explains itself", async () => {
  const says: { readonly [name: string]: string } = {
    run: "SIGHUP reads FILE again",
    witness: "a voter that has no PostgreSQL",
    "validate-config": "Changes nothing.",
    replay: "Reads nothing but the files.",
    recover: "The\n  agent must be stopped.",
    demo: "a cluster of three nodes on this machine",
    version: "on one line",
  };
  for (const [name, text] of Object.entries(says)) {
    const { code, out } = await agent(name, "--help");
    expect(code).toBe(0);
    expect(out).toContain(`agent ${name}`);
    expect(out).toContain("Examples:");
    expect(out).toContain(text);
  }
});

test("an option that would be read otherwise than it was meant is refused, and nothing is done", async () => {
  const dryRun = "Error: option `--dry-run` is given once, and takes no value\n";
  const notUnderstood = "is not understood: its value is expected as the next word\n";
  const said: readonly (readonly [string, readonly string[]])[] = [
    [dryRun, ["install-service", "--dry-run=true", "/nonexistent.yml"]],
    [dryRun, ["install-service", "--dry-run", "--dry-run", "/nonexistent.yml"]],
    ["Error: option `--user <name>` is given more than once\n", [
      "run",
      "--user",
      "a",
      "--user",
      "b",
      "/no.yml",
    ]],
    [`Error: option \`--user <name>\` ${notUnderstood}`, ["run", "--user", "007", "/no.yml"]],
    [`Error: option \`--user <name>\` ${notUnderstood}`, ["run", "--no-user", "/no.yml"]],
    [`Error: option \`--confirm <scope>\` ${notUnderstood}`, ["recover", "--confirm.x", "y", "/no.yml"]],
    [`Error: option \`--confirm <scope>\` ${notUnderstood}`, ["recover", "--confirm", "1e3", "/no.yml"]],
  ];
  await Promise.all(said.map(async ([text, words]) => {
    const hint = `Try 'agent ${words[0]} --help' for help.\n`;
    expect(await agent(...words)).toEqual({ code: 2, out: "", err: text + hint });
  }));
});

test("numbers as values, and directories given twice, are taken as they are written", async () => {
  const numeric = await agent("recover", "--also", "/no/a", "--also", "/no/b", "--confirm", "7", "/no.yml");
  expect(numeric.err).not.toContain("option `");
  expect((await agent("recover", "--confirm=7", "/no.yml")).err).not.toContain("option `");
});

test("an unknown command or option is refused with exit code 2 and a hint", async () => {
  expect(await agent("rnu")).toEqual({
    code: 2,
    out: "",
    err: "Error: No such command 'rnu'. Did you mean 'run'?\nTry 'agent --help' for help.\n",
  });
  expect((await agent("run", "--nope", "x.yml")).code).toBe(2);
  expect((await agent("ctl", "lsit")).err).toContain("Did you mean 'list'?");
});

test("a file may stand behind a flag", async () => {
  const checked = await agent("validate-config", "--ignore-listen-port", "/nonexistent.yml");
  expect(checked.code).toBe(1);
  expect(checked.out).toContain("/nonexistent.yml");
  const recovered = await agent("recover", "--force-new-cluster", "/nonexistent.yml");
  expect(recovered.code).toBe(1);
  expect(recovered.out).toBe("");
  expect(recovered.err).toStartWith("Error: /nonexistent.yml cannot be used: cannot be read");
});

test("Patroni's options are commands", async () => {
  const checked = await agent("--validate-config", "/nonexistent.yml");
  expect({ code: checked.code, names: checked.out.includes("/nonexistent.yml") }).toEqual({
    code: 1,
    names: true,
  });
  const sample = await agent("--generate-sample-config");
  expect({ code: sample.code, out: sample.out }).toEqual({
    code: 0,
    out: expect.stringMatching(/^scope: main$/m),
  });
  const nowhere = await agent("--generate-config=/nonexistent/x.yml", "--dsn", "host=/nonexistent");
  expect({ code: nowhere.code, err: nowhere.err }).toEqual({
    code: 1,
    err: expect.stringContaining("Error: PostgreSQL at /nonexistent:5432 cannot be asked"),
  });
});

test("a link named patronictl is agent ctl, one named patroni has Patroni's options", async () => {
  const list = await called("/usr/bin/patronictl", ["list", "--help"]);
  expect(list.out).toStartWith("Usage: agent ctl list");
  expect((await called("patronictl", [])).out).toStartWith("Usage: agent ctl [OPTIONS] COMMAND");
  const checked = await called("/usr/bin/patroni", ["-i", "--validate-config", "/nonexistent.yml"]);
  expect([checked.code, checked.out]).toEqual([1, expect.stringContaining("/nonexistent.yml")]);
});

test("Patroni's options may stand behind others, and what the program starts itself has no other name", () => {
  const rows: readonly (readonly [program: string, words: string, agent: string])[] = [
    ["patroni", "--validate-config n.yml", "validate-config n.yml"],
    ["patroni", "-i --validate-config n.yml", "validate-config -i n.yml"],
    ["patroni", "n.yml --validate-config --print", "validate-config n.yml --print"],
    ["agent", "--validate-config n.yml -p", "validate-config n.yml -p"],
    ["agent", "run n.yml", "run n.yml"],
    ["agent", "ctl -c n.yml list", "ctl -c n.yml list"],
    ["patroni", "--generate-config=n.yml --dsn host=/tmp", "generate-config n.yml --dsn host=/tmp"],
    ["patroni", "--version", "--version"],
    ["patroni", "./n.yml", "run ./n.yml"],
    ["patroni", "ctl list", "ctl list"],
    ["patronictl", "-c n.yml list", "ctl -c n.yml list"],
    ["patronictl", "guard 3", "guard 3"],
    ["/opt/patroni", "__probe {}", "__probe {}"],
    ["/opt/patroni", "__sync_probe raft", "__sync_probe raft"],
  ];
  for (const [program, words, agent] of rows) {
    expect([program, words, wordsOf(program, words.split(" ")).join(" ")]).toEqual([program, words, agent]);
  }
  expect(wordsOf("patroni", [])).toEqual([]);
  const environment = { PATRONI_CONFIGURATION: "name: a" };
  expect(wordsOf("/usr/bin/patroni", [], environment)).toEqual(["run"]);
  expect(wordsOf("agent", [], environment)).toEqual([]);
});
