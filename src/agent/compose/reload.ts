/**
 * A reload of the local file: decides which changes count (planReload), makes the listeners follow, and says
 * by key what has changed, what has not, and what needs a restart. A section that fails stays as it was, as a
 * whole.
 */
import type { ApiThread } from "../../api/thread/api_thread.ts";
import type { Log } from "../../lib/log.ts";
import type { LocalConfig } from "../../model/config.ts";
import { describeReload, planReload, type ReloadPlan } from "../../config/reload.ts";
import type { TlsWatch } from "./tls_watch.ts";

export interface ReloadParts {
  readonly inForce: LocalConfig;
  /** The file as it is now. */
  readonly read: LocalConfig;
  /** The configuration is in force: everything that asks for it gets this one from now on. */
  readonly use: (config: LocalConfig, plan: ReloadPlan) => void;
  /** See planReload. @default false */
  readonly listenPending?: boolean;
  readonly tls: TlsWatch | null;
  readonly api: Pick<ApiThread, "reload" | "show"> | null;
  readonly log: Log;
}

/** Returns what stayed as it was, and why; null: everything is in force. */
export async function applyReload(
  { inForce, read, use, tls, api, log, listenPending }: ReloadParts,
): Promise<string | null> {
  let plan = planReload(inForce, read, listenPending);
  const refused = await api?.reload(plan.config) ?? null;
  if (refused !== null) plan = planReload(inForce, { ...read, restapi: inForce.restapi }, listenPending);
  use(plan.config, plan);
  tls?.read("reload");
  // When "reloaded" is in the log, it is true: an old password is refused from now on.
  await api?.show();
  report(plan, log);
  if (refused === null) return null;
  const kept = `the REST API and its settings (restapi) go on as before: ${refused}`;
  log.error("restapi", kept);
  return kept;
}

/**
 * Reloads run one after the other. Each begins with the configuration that the previous one left in force.
 */
export function inTurn(reload: () => Promise<void>): () => Promise<void> {
  let last = Promise.resolve();
  // A failed reload reports to its own caller.
  return () => last = last.then(reload, reload);
}

function report(plan: ReloadPlan, log: Log): void {
  const { info, warnings } = describeReload(plan);
  log.info("reload", info);
  for (const warning of warnings) log.warning("reload", warning);
}
