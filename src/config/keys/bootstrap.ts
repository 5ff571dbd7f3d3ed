/** The keys of the section bootstrap. */
import type * as z from "zod";
import { command, json, lines, nonEmptyText, options, section } from "../fields.ts";
import { key } from "./row.ts";
import type { KeyRow } from "./row.ts";

export const bootstrapSchema = section({
  dcs: key(json, {
    default: "`{}`",
    meaning: "first [dynamic configuration](#dynamic-configuration)",
  }),
  initdb: key(options, {
    meaning:
      "options for `initdb`: list of texts and `option: value`, or map. `pgdata`, `nosync`, `pwfile`, `sync-only` and " +
      "`version` are not allowed",
  }),
  pg_hba: key(lines, { meaning: "lines for `pg_hba.conf` when `postgresql.pg_hba` is not set" }),
  post_bootstrap: key(command, {
    meaning: "command run on the new cluster with a connection URL; a failure undoes the bootstrap",
  }),
  post_init: key(command, { meaning: "old name of `post_bootstrap`" }),
  method: key(nonEmptyText, {
    default: "`initdb`",
    meaning:
      "name of a method of your own. Read, but not carried out in this version: with a warning, and a member that has to make " +
      "the cluster ends with an error",
  }),
  users: key(json, {
    shown: "users.<name>",
    meaning: "old form: roles to create, each with `password` and `options`. Use `post_bootstrap`",
  }),
});

export type BootstrapSection = z.output<typeof bootstrapSchema>;

/** The section of a method has the method's name. */
export const METHOD_ROWS: readonly KeyRow[] = [
  {
    path: ["bootstrap", "<method>", "command"],
    text: { meaning: "its command; gets `--scope=`, `--datadir=` and every further key as `--key=value`" },
  },
  {
    path: ["bootstrap", "<method>", "no_params"],
    text: { default: "`false`", meaning: "call it as written" },
  },
  {
    path: ["bootstrap", "<method>", "keep_existing_recovery_conf"],
    text: { default: "`false`", meaning: "keep the recovery settings it left" },
  },
  {
    path: ["bootstrap", "<method>", "recovery_conf"],
    text: { default: "`{}`", meaning: "recovery settings to add" },
  },
];
