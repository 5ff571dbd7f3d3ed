/** The log's record of a member. */
import type { NodeId } from "../core/types.ts";
import type { MemberInfo } from "./raft_options.ts";

export interface MemberRecord extends MemberInfo {
  /** Whether the member becomes a voter when it has caught up; otherwise it only listens. */
  readonly votes: boolean;
  /** Member that is removed when this one votes; NONE: none is. */
  readonly replaces: NodeId;
}
