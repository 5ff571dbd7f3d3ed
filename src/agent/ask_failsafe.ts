/** Asks another member over its REST API whether it accepts our lease in failsafe mode. Decides nothing. */
import { ApiClient, type ClientTls, loadClientTls, tlsPathsOf } from "../api/client.ts";
import type { LocalConfig } from "../model/config.ts";
import type { MemberFacts } from "../model/records.ts";
import type { AskFailsafe } from "./failsafe.ts";

/** The configuration is read at each question: it is rare, and a reload may have changed certificate and password. */
export function askFailsafe(config: () => LocalConfig, facts: () => MemberFacts): AskFailsafe {
  return (apiUrl, { holder, epoch, to }, timeoutMs, done) => {
    const { ctl, restapi } = config();
    let tls: ClientTls | null;
    try {
      tls = loadClientTls(tlsPathsOf(config()));
    } catch (error) {
      // Told later, as every answer: whoever asks has not sent all questions yet.
      queueMicrotask(() => done(`certificates: ${error instanceof Error ? error.message : String(error)}`));
      return;
    }
    const authentication = ctl.authentication ?? restapi.authentication;
    const { connUrl, apiUrl: ownUrl } = facts();
    const body = { name: holder, conn_url: connUrl, api_url: ownUrl, slots: {}, epoch, to };
    new ApiClient({ timeoutMs, authentication, tls })
      // A connection that was kept since the last time may lead through what has failed meanwhile.
      .request(apiUrl, "POST", "/failsafe", { body, keepAlive: false })
      .then((reply) => {
        if (!reply.ok) done(reply.error);
        else done(reply.status === 200 && reply.text === "Accepted" ? null : `${reply.status} ${reply.text}`);
      });
  };
}
