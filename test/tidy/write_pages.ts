/** `npm run pages`: writes the pages of docs/ that are printed from tables of the code. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PAGES } from "./pages.ts";

for (const { path, text } of PAGES) {
  writeFileSync(join(import.meta.dir, "../..", path), text());
  console.log(path);
}
