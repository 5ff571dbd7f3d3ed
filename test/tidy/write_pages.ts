/** `npm run pages`: writes the pages of docs/ that are printed from tables of the code. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PAGES } from "./pages.ts";

for (const { path, text } of PAGES) {
  const file = join(import.meta.dir, "../..", path);
  writeFileSync(file, text(existsSync(file) ? readFileSync(file, "utf8") : ""));
  console.log(path);
}
