/** The group of voters as its members report it. */
import { RAFT, type RaftJson } from "../../src/api/client.ts";
import type { ClusterAccess } from "./access.ts";
import { answerJson, okJson } from "./answer_json.ts";

/** The group as the member that answers first sees it. Call access.look() first. */
export async function raftStatus(access: ClusterAccess): Promise<RaftJson> {
  const reply = await access.get("/agent/raft");
  return okJson(reply, RAFT);
}

/** Only the leader knows how far the others are and how many may fail. */
export async function asLeaderSees(here: RaftJson, access: ClusterAccess): Promise<RaftJson> {
  const leader = here.members.find(({ name }) => name === here.leader);
  if (here.can_lose !== null || !leader?.api_url) return here;
  const reply = await access.ofMember({ api_url: leader.api_url }, "GET", "/agent/raft", { timeoutMs: 2000 });
  return reply.ok && reply.status === 200 ? answerJson(reply.text, RAFT) : here;
}

export function summary({ leader, term, commit, can_lose: canLose }: RaftJson): string {
  const margin = canLose === null ? "unknown how many may fail" : `can lose ${canLose} more`;
  return `Leader: ${leader ?? "unknown"}, term ${term}, commit ${commit}, ${margin}`;
}
