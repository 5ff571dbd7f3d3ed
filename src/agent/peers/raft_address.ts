/** The names by which the members of the raft group know each other. */
import { withoutAddress } from "../../../raft/mod.ts";
import type { LocalConfig } from "../../model/config.ts";

/** How the other members know this one: a member without an address dials them. */
export function raftAddress({ name, raft }: Pick<LocalConfig, "name" | "raft">): string {
  return raft.selfAddr ?? withoutAddress(name);
}
