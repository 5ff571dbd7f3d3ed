/** The files of the page, as the bundler has put them in. Loaded by the first request for one. */
import { pageFiles } from "./page_files.ts" with { type: "macro" };

/** By the path below /ui. */
export const FILES: { readonly [path: string]: string } = pageFiles();
