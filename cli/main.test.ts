/** The program as a process: what its first argument makes of it, and its exit codes. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { optionsOf, readWords } from "./command_line.ts";
import { programCommands } from "./commands.ts";
import { wordsOf } from "./program_name.ts";
import { runProgram } from "./testing.ts";

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

/** What is wrong, and which option it is. */
const MISREAD: readonly (readonly [said: string, words: readonly string[]])[] = [
  ["Option '--dry-run' takes no value", ["install-service", "--dry-run=true"]],
  ["Option '--dry-run' is given more than once", ["install-service", "--dry-run", "--dry-run"]],
  ["Got unexpected extra argument (/no.yml)", ["install-service", "--dry-run", "/no.yml"]],
  ["Option '--user' is given more than once", ["run", "--user", "a", "--user", "b", "/no.yml"]],
  ["Unknown option '--no-user'", ["run", "--no-user", "/no.yml"]],
  ["Unknown option '--usr'. Did you mean '--user'?", ["run", "--usr", "a", "/no.yml"]],
  ["Unknown option '--confirm.x'. Did you mean '--confirm'?", ["recover", "--confirm.x", "y", "/no.yml"]],
  ["Unknown option '--userName'", ["run", "--userName", "a"]],
  ["Unknown option '-x'", ["validate-config", "-px", "/no.yml"]],
  ["Option '--user' needs a value (NAME).", ["run", "/no.yml", "--user"]],
  ["Option '--user' needs a value (NAME), and it is empty", ["run", "--user", "", "/no.yml"]],
  [
    "Option '--also' needs a value (DIRECTORY). Before '--force-new-cluster' is one missing, or write --also=VALUE.",
    ["recover", "--also", "--force-new-cluster", "/no.yml"],
  ],
  [
    "Option '-c' needs a value (FILE). Before '-p' is one missing, or write -cVALUE.",
    ["install-service", "-c", "-p"],
  ],
  ["Got unexpected extra argument (b.yml c.yml)", ["run", "/no.yml", "b.yml", "c.yml"]],
  ["An argument is empty", ["run", ""]],
  ["Missing argument FILES", ["replay", "--limit", "3"]],
  ["Invalid value for '--limit': '1e3' is not a whole number from 0.", ["replay", "--limit", "1e3", "/no"]],
  ["Invalid value for '--ttl': '0x5' is not a whole number from 2 to 3600.", ["demo", "--ttl", "0x5"]],
  ["No completion for 'csh': one of bash, zsh, fish", ["completion", "csh"]],
  ["--witness goes with one file: with several, no host is looked at", [
    "validate-config",
    "--witness",
    "a",
    "b",
  ]],
  ["Unknown option '--\\u001b[2J\\u0000'", ["run", "--\u001b[2J\u0000"]],
];

test("a wrong command line is refused with what is wrong in it, and nothing is done", async () => {
  for (const [said, words] of MISREAD) {
    const hint = `Try 'agent ${words[0]} --help' for help.`;
    expect({ words, ...await runProgram(words) }).toEqual({
      words,
      code: 2,
      out: "",
      err: `Error: ${said}\n${hint}`,
    });
  }
});

test("values are taken as they are written, behind a flag, too", async () => {
  const user = await runProgram(["install-service", "--print", "--user", "007", "--config=7"]);
  // From its source: it would be a service of the compiled program.
  expect(user.err).toStartWith("Error: a service runs the compiled program");
  const rows: readonly (readonly [command: string, line: string, given: object])[] = [
    ["run", "--user 007 7", { user: ["007"], words: ["7"] }],
    ["run", "--user=1e3 -- -x.yml", { user: ["1e3"], words: ["-x.yml"] }],
    ["recover", "--force-new-cluster --also a --also=-b f.yml", {
      "force-new-cluster": [true],
      also: ["a", "-b"],
      words: ["f.yml"],
    }],
    ["validate-config", "-ip --witness f.yml", {
      "ignore-listen-port": [true],
      print: [true],
      witness: [true],
      words: ["f.yml"],
    }],
    ["install-service", "-cx.yml --dry-run", { config: ["x.yml"], "dry-run": [true], words: [] }],
  ];
  for (const [name, line, expected] of rows) {
    const command = programCommands().commands.find((one) => one.name === name)!;
    const { positionals, values } = readWords(command, line.split(" "))!;
    const given = optionsOf(command).map(({ names: [option] }) => [option, values(option!)] as const);
    const there = given.filter(([, list]) => list.length > 0);
    expect({ line, ...Object.fromEntries(there), words: positionals }).toEqual({ line, ...expected });
  }
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
  const kerberos = await agent(
    "generate-config",
    "--dsn",
    "host=/nonexistent krbsrvname=pg client_encoding=x",
  );
  expect(kerberos.err).toContain(
    "Warning: --dsn: 'krbsrvname' has no effect here: the agent's own connections do not use GSSAPI\n" +
      "Warning: --dsn: 'client_encoding' has no effect here\n",
  );
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
  expect((await called("/usr/bin/patroni", ["--version"])).out).toMatch(/^patroni \d+\.\d+\.\d+\n?$/);
  expect((await called("agent", ["--version"])).out).toMatch(/^agent \d+\.\d+\.\d+\n?$/);
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
    ["patroni", "--version", "version --patroni"],
    ["patroni", "n.yml --version", "version --patroni"],
    ["agent", "--version", "--version"],
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
  expect(wordsOf("agent", ["help"])).toEqual(["help"]);
  expect(wordsOf("agent", ["help", "run"])).toEqual(["run", "--help"]);
  // It has none: it would run.
  expect(wordsOf("agent", ["help", "__sync_probe"])).toEqual(["help", "__sync_probe"]);
  expect(wordsOf("agent", ["help", "ctl", "pause", "--"])).toEqual(["ctl", "--help", "pause", "--"]);
  expect(wordsOf("agent", [], environment)).toEqual([]);
});
