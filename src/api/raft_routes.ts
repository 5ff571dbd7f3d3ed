/** The endpoints below `/agent/raft`: the group of voters, and its changes. */
import { knownMember } from "../model/records.ts";
import { Hono } from "@hono/hono";
import type { ApiEnv } from "./env.ts";
import { readBody, textResponse } from "./body.ts";
import { jsonText } from "./json_text.ts";
import type { ApiPort, ApiView, RaftChange, RaftChangeOutcome } from "./port.ts";
import { NOTHING, RAFT_ADD, RAFT_REMOVE, RAFT_REPLACE, RAFT_TRANSFER } from "./requests.ts";
import type { RaftJson } from "./shapes.ts";
import { JSON_HEADERS, raftLeaderName, raftMemberName } from "./status.ts";

export function raftRoutes(port: ApiPort): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.get("/agent/raft", () => {
    const raft = raftJson(port.view());
    if (raft === null) return textResponse(503, "raft is not running yet");
    return new Response(jsonText(raft), { headers: JSON_HEADERS });
  });

  routes.post("/agent/raft/transfer", async (context) => {
    const body = await readBody(context.req, RAFT_TRANSFER);
    if (!body.ok) return body.response;
    const { name } = body.value as { readonly name: string };
    const error = await port.transferRaft(name);
    return error === null
      ? textResponse(200, `raft leadership transferred to ${name}`)
      : textResponse(503, error);
  });

  routes.post("/agent/raft/add", async (context) => {
    const body = await readBody(context.req, RAFT_ADD);
    if (!body.ok) return body.response;
    const { address, name = null, votes = true } = body.value as {
      readonly address: string;
      readonly name?: string;
      readonly votes?: boolean;
    };
    return await change({ kind: "add", address, name, votes }, `${address} is a member now`);
  });

  routes.post("/agent/raft/remove", async (context) => {
    const body = await readBody(context.req, RAFT_REMOVE);
    if (!body.ok) return body.response;
    const { name } = body.value as { readonly name: string };
    return await change({ kind: "remove", name }, `${name} is no member any more`);
  });

  routes.post("/agent/raft/replace", async (context) => {
    const body = await readBody(context.req, RAFT_REPLACE);
    if (!body.ok) return body.response;
    const { name, address, new_name: newName = null } = body.value as {
      readonly name: string;
      readonly address: string;
      readonly new_name?: string;
    };
    return await change(
      { kind: "replace", name, address, newName },
      `${address} is a member now; ${name} leaves when it has a vote`,
    );
  });

  routes.post("/agent/raft/snapshot", async (context) => {
    const body = await readBody(context.req, NOTHING);
    if (!body.ok) return body.response;
    return answer(await port.snapshotRaft(), "snapshot taken");
  });

  async function change(wanted: RaftChange, done: string): Promise<Response> {
    return answer(await port.changeRaft(wanted), done);
  }

  return routes;
}

function answer(outcome: RaftChangeOutcome, done: string): Response {
  if (outcome.kind === "done") return textResponse(200, done);
  if (outcome.kind === "rejected") return textResponse(409, outcome.reason);
  return textResponse(503, `It is not known whether it is done (look at the status): ${outcome.reason}`);
}

export function raftJson(view: ApiView): RaftJson | null {
  const raft = view.raft;
  if (raft === null) return null;
  return {
    name: view.config.name,
    leader: raftLeaderName(view),
    term: raft.term,
    commit: raft.commit,
    applied: raft.applied,
    can_lose: raft.canLose,
    disk_full: raft.shortOfSpace,
    members: raft.members.map((member) => {
      const name = raftMemberName(view, member.name, member.addr);
      const witness = view.witnesses.find(({ raftAddr }) => raftAddr === member.addr);
      return {
        name,
        addr: member.addr,
        id: member.id,
        voter: member.voter,
        witness: witness !== undefined,
        match: member.match,
        last_contact_ms: member.lastContactMs === null ? null : Math.round(member.lastContactMs),
        api_url: (witness ?? (view.dcs && knownMember(view.dcs, name)))?.apiUrl ?? null,
      };
    }),
  };
}
