/**
 * Asks other members over their REST API, with this member's client certificate and password: whether they
 * accept its lease in failsafe mode, and whether a machine with its name lives. Decides nothing.
 */
import { NAME, parseAnswer } from "../../api/answers.ts";
import { ApiClient, loadClientTls, tlsPathsOf } from "../../api/client.ts";
import type { LocalConfig } from "../../model/config.ts";
import type { MemberFacts } from "../../model/records.ts";
import type { AskFailsafe } from "../lease/failsafe.ts";

/** A member that does not answer within this time has not answered. That is no proof of its death. */
const PROBE_TIMEOUT_MS = 1000;

/**
 * The configuration is read at each question: they are rare, and a reload may have changed certificate and
 * password.
 */
export function askFailsafe(config: () => LocalConfig, facts: () => MemberFacts): AskFailsafe {
  return (apiUrl, { holder, epoch, to, node }, timeoutMs, done) => {
    const client = clientOf(config(), timeoutMs);
    if (typeof client === "string") {
      // Called later, as for every answer: the asker has not sent all questions yet.
      queueMicrotask(() => done(client));
      return;
    }
    const { connUrl, apiUrl: ownUrl } = facts();
    const body = { name: holder, conn_url: connUrl, api_url: ownUrl, slots: {}, epoch, to, node };
    // A connection that was kept since the last time may lead through what has failed meanwhile.
    client.request(apiUrl, "POST", "/failsafe", { body, keepAlive: false })
      .then((reply) => {
        if (!reply.ok) done(reply.error);
        else done(reply.status === 200 && reply.text === "Accepted" ? null : `${reply.status} ${reply.text}`);
      });
  };
}

/**
 * Whether an agent of this name answers at an api_url that is not this member's own. A machine that has been
 * given another name since is no namesake, though the records may still know the name by its address.
 */
export function memberAnswers(
  config: () => LocalConfig,
  facts: () => MemberFacts,
): (name: string, apiUrl: string, done: (answers: boolean) => void) => void {
  return (name, apiUrl, done) => {
    const client = clientOf(config(), PROBE_TIMEOUT_MS);
    if (typeof client === "string" || apiUrl === facts().apiUrl || !URL.canParse(apiUrl)) {
      queueMicrotask(() => done(false));
      return;
    }
    client.request(apiUrl, "GET", "/patroni", { keepAlive: false }).then((reply) => {
      const parsed = reply.ok ? parseAnswer(reply.text, NAME) : null;
      done(parsed?.ok === true && parsed.value.patroni.name === name);
    });
  };
}

/** A client with this member's certificate and password, or why there is none. */
export function clientOf(config: LocalConfig, timeoutMs: number): ApiClient | string {
  const authentication = config.ctl.authentication ?? config.restapi.authentication;
  try {
    return new ApiClient({ timeoutMs, authentication, tls: loadClientTls(tlsPathsOf(config)) });
  } catch (error) {
    return `certificates: ${error instanceof Error ? error.message : String(error)}`;
  }
}
