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
      "`initdb`, or the name of a section `bootstrap.<method>`: a command that restores a cluster ([backup.md](backup.md))",
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
    text: {
      meaning:
        "its command, without a shell; gets `--scope=`, `--datadir=` and every further key as `--key=value`",
    },
  },
  {
    path: ["bootstrap", "<method>", "no_params"],
    text: { default: "`false`", meaning: "call it without `--scope=` and `--datadir=`" },
  },
  {
    path: ["bootstrap", "<method>", "keep_existing_recovery_conf"],
    text: {
      default: "`false`",
      meaning: "recover by the settings that the command has left, when there is no `recovery_conf`",
    },
  },
  {
    path: ["bootstrap", "<method>", "recovery_conf"],
    text: {
      default: "`{}`",
      meaning:
        "settings of the recovery before the first start: `recovery_target...`, `restore_command`, ... After a target it goes on " +
        "as the primary, unless `recovery_target_action` is `pause`",
    },
  },
  {
    path: ["bootstrap", "<method>", "time_limit"],
    text: {
      default: "`86400` s",
      meaning: "the longest time that the command may take; then it is ended. An additional key",
    },
  },
];
