/** What an operator may ask for on the page, and the request of REST that each is. */
import type { JsonObject } from "../../../../model/json.ts";
import type { UiDataJson } from "../../shape.ts";

export type ActionId =
  | "switchover"
  | "failover"
  | "cancel-switchover"
  | "pause"
  | "resume"
  | "restart"
  | "cancel-restart"
  | "reload"
  | "reinitialize";

export interface Action {
  readonly id: ActionId;
  readonly label: string;
  /** The whole cluster, or the member that answers: others are asked on their own pages. */
  readonly of: "cluster" | "member";
  /** It interrupts somebody, or removes something. */
  readonly grave: boolean;
  /** What it does, for the one who is about to ask for it. */
  readonly explained: string;
}

export interface Request {
  readonly method: "POST" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: JsonObject;
  /** The one that it is meant for: the address of the page may have moved to another; missing: any will do. */
  readonly member?: string;
}

/** The fields of the form that were filled in. */
export type Fields = { readonly [name: string]: string };

export function actionsOf(data: UiDataJson): readonly Action[] {
  return [...ofCluster(data), ...(data.witness ? [RELOAD] : ofMember(data))];
}

export function actionOf(data: UiDataJson, id: string): Action | null {
  return actionsOf(data).find((action) => action.id === id) ?? null;
}

function ofCluster({ cluster, lease }: UiDataJson): Action[] {
  const others = cluster.members.filter(({ name }) => name !== lease.holder).length;
  return [
    ...(lease.holder !== null && others > 0 ? [SWITCHOVER] : []),
    ...(lease.holder === null && others > 0 && cluster.agent.initialize ? [FAILOVER] : []),
    ...(cluster.scheduled_switchover === undefined ? [] : [CANCEL_SWITCHOVER]),
    cluster.pause ? RESUME : PAUSE,
  ];
}

function ofMember({ cluster, name, lease }: UiDataJson): Action[] {
  const scheduled = cluster.members.find((member) => member.name === name)?.scheduled_restart;
  return [
    RESTART,
    ...(scheduled === undefined ? [] : [CANCEL_RESTART]),
    RELOAD,
    ...(lease.holder === name ? [] : [REINITIALIZE]),
  ];
}

const SWITCHOVER: Action = {
  id: "switchover",
  label: "Switch over",
  of: "cluster",
  grave: true,
  explained: "The primary is stopped cleanly, and the member that you choose becomes the primary. " +
    "Sessions end; writes wait for a moment.",
};
const FAILOVER: Action = {
  id: "failover",
  label: "Fail over",
  of: "cluster",
  grave: true,
  explained: "The member that you choose becomes the primary. What the last primary wrote and this member " +
    "has not received is lost.",
};
const CANCEL_SWITCHOVER: Action = {
  id: "cancel-switchover",
  label: "Cancel switchover",
  of: "cluster",
  grave: false,
  explained: "The switchover that is scheduled will not take place.",
};
const PAUSE: Action = {
  id: "pause",
  label: "Pause",
  of: "cluster",
  grave: true,
  explained:
    "PostgreSQL is neither started nor stopped, and there is no automatic failover, until you resume.",
};
const RESUME: Action = {
  id: "resume",
  label: "Resume",
  of: "cluster",
  grave: false,
  explained: "The cluster manages itself again.",
};
const RESTART: Action = {
  id: "restart",
  label: "Restart",
  of: "member",
  grave: true,
  explained: "PostgreSQL of this member is restarted. Its sessions end. The role stays.",
};
const CANCEL_RESTART: Action = {
  id: "cancel-restart",
  label: "Cancel restart",
  of: "member",
  grave: false,
  explained: "The restart that is scheduled will not take place.",
};
const RELOAD: Action = {
  id: "reload",
  label: "Reload",
  of: "member",
  grave: false,
  explained: "This member reads its configuration file again.",
};
const REINITIALIZE: Action = {
  id: "reinitialize",
  label: "Reinitialize",
  of: "member",
  grave: true,
  explained: "The data directory of this member is removed, and copied anew from another member.",
};

/** `scheduled_at` among the fields is ISO 8601 with a zone. */
export function requestOf(id: ActionId, fields: Fields, data: UiDataJson): Request {
  const request = plainRequestOf(id, fields, data);
  return ofMember(data).some((action) => action.id === id) ? { ...request, member: data.name } : request;
}

function plainRequestOf(id: ActionId, fields: Fields, data: UiDataJson): Request {
  const candidate: JsonObject = fields.candidate ? { candidate: fields.candidate } : {};
  const at = fields.scheduled_at;
  switch (id) {
    case "switchover": {
      const when: JsonObject = at ? { scheduled_at: at } : {};
      return post("/switchover", { leader: data.lease.holder, ...candidate, ...when });
    }
    case "failover":
      return post("/failover", candidate);
    case "cancel-switchover":
      return { method: "DELETE", path: "/switchover" };
    case "pause":
      return { method: "PATCH", path: "/config", body: pauseBody(fields.pause_for) };
    case "resume":
      return { method: "PATCH", path: "/config", body: { pause: null } };
    case "restart":
      return post("/restart", at ? { schedule: at } : {});
    case "cancel-restart":
      return { method: "DELETE", path: "/restart" };
    case "reload":
      return post("/reload", {});
    case "reinitialize":
      return post("/reinitialize", { force: fields.force === "on" });
  }
}

function pauseBody(time: string | undefined): JsonObject {
  return time ? { pause: true, pause_for: time } : { pause: true };
}

function post(path: string, body: JsonObject): Request {
  return { method: "POST", path, body };
}

/** The answer for people: configurations come back as JSON, which says no more than that it is done. */
export function outcomeText(status: number, text: string, warnings: string | null): string {
  const said = status === 200 && text.startsWith("{") ? "Done." : text || `status ${status}`;
  return warnings === null ? said : `${said} ${warningTexts(warnings)}`;
}

function warningTexts(header: string): string {
  return [...header.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text!.replace(/\\(.)/g, "$1"))
    .join("; ");
}
