/** The tags that mean something to the agent. Others are the user's own. */
import { anything, json, section } from "../fields.ts";
import { key } from "./row.ts";

/** Any keys: tags.ts says what a tag may be. */
export const tagsSchema = json;

const PRIORITY_WINS = "of equally advanced members the larger one; 0 or less is `nofailover`";
const NOT_YET = "Published with a warning, no effect in this version";

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
    meaning: `new members prefer to copy from this one. ${NOT_YET}`,
  }),
  replicatefrom: key(anything, {
    meaning: `name of the member to follow instead of the primary. ${NOT_YET}`,
  }),
  nostream: key(anything, {
    default: "`false`",
    meaning: `follow by the archive alone. ${NOT_YET}`,
  }),
});
