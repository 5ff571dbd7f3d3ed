/** `POST /failsafe` of another member, or of a client of Patroni's, who names no lease and no member. */
import type { FailsafeOutcome, FailsafeRequest } from "../../api/port.ts";
import type { Lsn } from "../../model/lsn.ts";

export interface FailsafeParts {
  /** This member may acknowledge writes. */
  readonly leads: boolean;
  /** Judges a request about one lease. */
  readonly answer: (
    ask: { readonly holder: string; readonly epoch: number; readonly to: string; readonly node: number },
  ) => { readonly kind: "accepted" } | Exclude<FailsafeOutcome, { readonly kind: "accepted" }>;
  readonly position: () => Lsn | null;
}

export function answerFailsafe(
  { name, epoch, to, node }: FailsafeRequest,
  { leads, answer, position }: FailsafeParts,
): FailsafeOutcome {
  if (epoch === null || to === null || node === null) {
    return leads
      ? { kind: "running-as-leader" }
      : { kind: "refused", reason: "the request names no epoch, or no addressed member" };
  }
  const outcome = answer({ holder: name, epoch, to, node });
  return outcome.kind === "accepted" ? { kind: "accepted", lsn: position() } : outcome;
}
