/** Waits for a logged switchover or failover to end, for at most twice the longer of 10 s and loop_wait. */
import type { FailoverRecord } from "../model/records.ts";
import { textResponse } from "./body.ts";
import type { ApiPort, ApiView } from "./port.ts";

/** `before`: holder of the lock when the request was made. */
export function waitForOutcome(
  port: ApiPort,
  request: FailoverRecord,
  before: string | null,
): Promise<Response> {
  const view = port.view();
  const limitMs = 2 * Math.max(10, view.dynamic.loopWaitS) * 1000;
  return new Promise((resolve) => {
    const look = () => {
      const response = outcomeOf(port.view(), request, before);
      if (response !== null) finish(response);
    };
    const finish = (response: Response) => {
      clearTimeout(timer);
      forget();
      resolve(response);
    };
    const timer = setTimeout(() => finish(textResponse(503, `${title(request)} status unknown`)), limitMs);
    const forget = port.onChange(look);
    look();
  });
}

/**
 * null: not yet known. The outcome is the one that the raft leader logs once a member can write. The lock
 * alone proves nothing: it is granted before the promotion, which may fail. The request was applied here
 * before the wait began: when it is gone without a result, it is over.
 */
function outcomeOf(view: ApiView, request: FailoverRecord, before: string | null): Response | null {
  const dcs = view.dcs;
  if (dcs === null) return null;
  const result = dcs.failoverResults.find(({ id }) => id === request.id);
  if (result !== undefined) return result.ok ? textResponse(200, result.text) : failed(request, result.text);
  const holder = dcs.lock.holder;
  return dcs.failover?.id !== request.id && holder !== null && holder === before ? failed(request, "") : null;
}

function failed(request: FailoverRecord, reason: string): Response {
  const text = `${title(request)} failed`;
  return textWithReason(503, text, reason.replace(text, ""));
}

/** The body is Patroni's; the reason is in an additional header, which `agent ctl` prints. */
export function textWithReason(status: number, text: string, reason: string): Response {
  const why = reason.replace(/[^\x20-\x7e]/g, " ").replace(/^[:\s]+/, "");
  return textResponse(status, text, why === "" ? {} : { "X-Reason": why });
}

function title({ kind }: FailoverRecord): string {
  return kind === "switchover" ? "Switchover" : "Failover";
}
