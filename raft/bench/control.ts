/** Messages of the benchmark to its processes, one JSON text a line, and their answers. */
import type { Summary } from "./summary.ts";

export interface MemberConfig {
  readonly directory: string;
  readonly own: string;
  readonly addresses: readonly string[];
}

export type Request =
  | { readonly kind: "status" }
  /** Commits `count` commands, `inFlight` at a time; on the leader. */
  | { readonly kind: "commit"; readonly count: number; readonly inFlight: number }
  | { readonly kind: "read"; readonly count: number }
  /** Proposes one command, on any member, however long it takes. */
  | { readonly kind: "propose" }
  /** Answered when everything up to `index` is applied. */
  | { readonly kind: "applied"; readonly index: number };

export type Answer =
  | { readonly kind: "status"; readonly leads: boolean; readonly applied: number; readonly rssBytes: number }
  | { readonly kind: "measured"; readonly summary: Summary }
  | { readonly kind: "done" }
  /** ms since the member was started. */
  | { readonly kind: "applied"; readonly afterMs: number }
  | { readonly kind: "failed"; readonly reason: string };
