/** The tags that mean something to the agent. Others are the user's own. */
import { anything, json, section } from "../fields.ts";
import { key } from "./row.ts";

/** Any keys: tags.ts says what a tag may be. */
export const tagsSchema = json;

const PRIORITY_WINS = "of equally advanced members the larger one; 0 or less is `nofailover`";

/** For names and rows. */
export const knownTags = section({
  nofailover: key(anything, { default: "`false`", meaning: "this member never becomes primary" }),
  failover_priority: key(anything, { default: "`1`", meaning: PRIORITY_WINS }),
  nosync: key(anything, { default: "`false`", meaning: "this member never is a synchronous standby" }),
  sync_priority: key(anything, {
    default: "`1`",
    meaning: "as `failover_priority`, among synchronous standbys",
  }),
  noloadbalance: key(anything, {
    default: "`false`",
    meaning: "`/replica` and its relatives answer 503",
  }),
  clonefrom: key(anything, {
    default: "`false`",
    meaning:
      "members are copied from this one rather than from the primary, while it streams and is at most " +
      "256 MiB (or `maximum_lag_on_failover`, where that is more) behind",
  }),
  replicatefrom: key(anything, {
    meaning: "name of the standby to stream from instead of the primary, while it runs and streams itself",
  }),
  nostream: key(anything, {
    default: "`false`",
    meaning:
      "get WAL by `restore_command` alone: the member streams from nobody, and no slot is kept for it. Without effect on " +
      "the leader",
  }),
});
