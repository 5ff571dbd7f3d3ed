/**
 * Run by the bundler, and by it alone: the files of the page as the browser gets them. The program holds the
 * result, so it needs no file beside itself and no compiler of its own.
 */
import { readdirSync, readFileSync } from "node:fs";

const FOLDERS = ["model", "tree", "dom"];

/** By the path below /ui; the page itself has none. */
export function pageFiles(): { [path: string]: string } {
  const place = (path: string) => new URL(import.meta.resolve(`./page/${path}`));
  const read = (path: string) => readFileSync(place(path), "utf8");
  const typescript = new Bun.Transpiler({ loader: "ts", target: "browser", minifyWhitespace: true });
  const files: { [path: string]: string } = {};
  for (const path of ["index.html", "style.css", "icon.svg"]) files[path] = read(path);
  for (const folder of FOLDERS) {
    for (const name of readdirSync(place(folder)).sort()) {
      if (!name.endsWith(".ts") || name.endsWith(".test.ts")) continue;
      const script = typescript.transformSync(read(`${folder}/${name}`));
      files[`${folder}/${name.replace(/\.ts$/, ".js")}`] = script.replaceAll(
        /(from\s*"\.[^"]*)\.ts"/g,
        '$1.js"',
      );
    }
  }
  return files;
}
