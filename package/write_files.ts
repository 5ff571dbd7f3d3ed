/**
 * The files of a package that are printed from tables of the code. usage: bun package/write_files.ts ROOT
 * prints the version, after it has written them below ROOT.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { DESCRIPTIONS, programCommands } from "../cli/commands.ts";
import { SHELLS } from "../cli/manual/completion.ts";
import { MAN_PAGES, manPage } from "../cli/manual/man_page.ts";
import { readManual } from "../cli/manual/manual.ts";
import { UNIT_DEFAULTS, unitName, unitText } from "../cli/systemd/unit.ts";
import { VERSION } from "../src/model/version.ts";

/** Where each shell looks for the completions of packages. */
const COMPLETIONS: { readonly [shell: string]: string } = {
  bash: "usr/share/bash-completion/completions/agent",
  zsh: "usr/share/zsh/vendor-completions/_agent",
  fish: "usr/share/fish/vendor_completions.d/agent.fish",
};

function main(root: string | undefined): void {
  if (root === undefined) throw new Error("usage: bun package/write_files.ts ROOT");
  const put = (path: string, content: string | Uint8Array) => {
    mkdirSync(dirname(join(root, path)), { recursive: true, mode: 0o755 });
    writeFileSync(join(root, path), content, { mode: 0o644 });
  };
  for (const unit of Object.values(UNIT_DEFAULTS)) {
    put(`usr/lib/systemd/system/${unitName(unit.witness)}`, unitText({ ...unit, program: "/usr/bin/agent" }));
  }
  void readManual(programCommands(), DESCRIPTIONS).then((manual) => {
    for (const page of MAN_PAGES) {
      put(`usr/share/man/man1/${page}.1.gz`, gzipSync(manPage(manual, page), { level: 9 }));
    }
    for (const [shell, print] of Object.entries(SHELLS)) put(COMPLETIONS[shell]!, print(manual));
    console.log(VERSION);
  });
}

main(process.argv[2]);
