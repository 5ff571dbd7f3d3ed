/** SIGHUP for what listens: certificates are read again, addresses that changed are listened on. What fails goes on as before. */
import type { ApiServer } from "../api/server.ts";
import type { Log } from "../lib/log.ts";
import type { LocalConfig } from "../model/config.ts";
import type { TlsWatch } from "./tls_watch.ts";

export function reloadListeners(
  config: LocalConfig,
  { tls, api, log }: { readonly tls: TlsWatch | null; readonly api: ApiServer | null; readonly log: Log },
): void {
  tls?.read("reload");
  try {
    api?.reload(config);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.error("restapi", `the REST API goes on as before: ${reason}`);
  }
  log.info("reload", "configuration reloaded");
}
