/** The rows of all keys of the local file, by path. */
import { postgresqlSchema } from "./keys/postgresql.ts";
import { localSchema } from "./keys/root.ts";
import { type KeyText, rowsOf } from "./keys/row.ts";
import { knownTags } from "./keys/tags.ts";
import { watchdogSchema } from "./keys/watchdog.ts";

export const LOCAL_ROWS: ReadonlyMap<string, KeyText> = new Map(
  [
    ...rowsOf(localSchema.omit({ tags: true })),
    ...rowsOf(postgresqlSchema, ["postgresql"]),
    ...rowsOf(watchdogSchema, ["watchdog"]),
    ...rowsOf(knownTags, ["tags"]),
  ].map(({ path, text }) => [path.join("."), text]),
);
