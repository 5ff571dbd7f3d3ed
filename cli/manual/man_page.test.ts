/** Man pages: everything is in them, and nothing that a formatter would take for a request. */
import { expect, test } from "bun:test";
import { DESCRIPTIONS, programCommands } from "../commands.ts";
import { COMMANDS } from "../ctl/registry.ts";
import { MAN_PAGES, manPage } from "./man_page.ts";
import { nodesOf, readManual } from "./manual.ts";

const REQUESTS = /^\.(?:\\"|TH|SH|SS|TP|PP|B|I|BR|br|nf|fi)(?: |$)/;
const manual = readManual(programCommands(), DESCRIPTIONS);

test("every command and option of the program is in a page", async () => {
  const pages = new Map<string, string>();
  for (const name of MAN_PAGES) pages.set(name, manPage(await manual, name));
  for (const { path, command } of nodesOf(await manual)) {
    const page = pages.get(path.startsWith("agent ctl") ? "agent-ctl" : "agent")!;
    for (const name of command.options.flatMap(({ names }) => names)) {
      if (name === "-h" || name === "--help") continue;
      expect([path, page.includes(`\\fB${name.replaceAll("-", "\\-")}\\fR`) ? name : null]).toEqual([
        path,
        name,
      ]);
    }
  }
  for (const name of Object.keys(COMMANDS)) {
    expect(pages.get("agent-ctl")).toContain(`.SS agent ctl ${name.replaceAll("-", "\\-")}`);
  }
});

test("the examples name the configuration where the units and the docs have it", async () => {
  for (const name of MAN_PAGES) {
    // A hyphen is written \\- there.
    const named = manPage(await manual, name).replaceAll("\\-", "-").match(/\/etc\/\S+\.yml/g) ?? [];
    expect(new Set(named)).toEqual(new Set(["/etc/agent.yml"]));
  }
});

test("only requests begin with a dot, and no line with a quote", async () => {
  for (const name of MAN_PAGES) {
    const wrong = manPage(await manual, name).split("\n")
      .filter((line) => line.startsWith("'") || (line.startsWith(".") && !REQUESTS.test(line)));
    expect(wrong).toEqual([]);
  }
});

test.skipIf(Bun.which("man") === null)("man formats them without a warning", async () => {
  for (const name of MAN_PAGES) {
    const child = Bun.spawn(["man", "--warnings", "-l", "-"], {
      stdin: new TextEncoder().encode(manPage(await manual, name)),
      stdout: "pipe",
      stderr: "pipe",
      env: { PATH: process.env.PATH!, LC_ALL: "C.UTF-8", MANPAGER: "cat" },
    });
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    expect(err).toBe("");
    expect(out).toContain("SEE ALSO");
  }
});
