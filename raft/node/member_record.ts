/** What the log says of a member. */
import type { NodeId } from "../core/types.ts";
import type { MemberInfo } from "./raft_options.ts";

export interface MemberRecord extends MemberInfo {
  /** Made a voter when it has caught up; otherwise it only listens. */
  readonly votes: boolean;
  /** Removed when this one votes; NONE: nobody. */
  readonly replaces: NodeId;
}
