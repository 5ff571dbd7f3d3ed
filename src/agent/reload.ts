/** SIGHUP for what listens: certificates are read again, addresses that changed are listened on. What fails goes on as before. */
import type { TlsLayer } from "../../raft/mod.ts";
import type { ApiServer } from "../api/server.ts";
import type { Log } from "../lib/log.ts";
import type { LocalConfig } from "../model/config.ts";
import { readTls } from "./open_raft.ts";

export function reloadListeners(
  config: LocalConfig,
  { tls, api, log }: { readonly tls: TlsLayer | null; readonly api: ApiServer | null; readonly log: Log },
): void {
  try {
    const files = readTls(config);
    if (files !== null) tls?.replace(files);
  } catch (error) {
    log.error(
      "raft.tls",
      `the connections between members go on with the old certificate: ${messageOf(error)}`,
    );
  }
  try {
    api?.reload(config);
  } catch (error) {
    log.error("restapi", `the REST API goes on as before: ${messageOf(error)}`);
  }
  log.info("reload", "configuration reloaded");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
