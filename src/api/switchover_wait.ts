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
 * null: not yet known. What became of it is what the raft leader has logged, once somebody can write: the
 * lock alone is granted before the promotion, which may fail. The request was applied here before the wait
 * began: when it is gone without a result, it is over.
 */
function outcomeOf(view: ApiView, request: FailoverRecord, before: string | null): Response | null {
  const dcs = view.dcs;
  if (dcs === null) return null;
  const result = dcs.failoverResults.find(({ id }) => id === request.id);
  if (result !== undefined) return result.ok ? textResponse(200, result.text) : failed(request, result.text);
  const holder = dcs.lock.holder;
  return dcs.failover?.id !== request.id && holder !== null && holder === before ? failed(request, "") : null;
}

/** The body is Patroni's; why it failed is in an additional header, which `agent ctl` prints. */
function failed(request: FailoverRecord, reason: string): Response {
  const text = `${title(request)} failed`;
  const why = reason.replace(/[^\x20-\x7e]/g, " ").replace(text, "").replace(/^[:\s]+/, "");
  return textResponse(503, text, why === "" ? {} : { "X-Reason": why });
}

function title({ kind }: FailoverRecord): string {
  return kind === "switchover" ? "Switchover" : "Failover";
}
