/** A member that held the lock and could not become a primary, as users and the raft leader see it. */
export interface LeadFailure {
  /** Wall clock of the last failure, ISO 8601. */
  readonly at: string;
  readonly why: string;
  /** Failures in a row, without a primary here in between. */
  readonly times: number;
  /** It gave the lock back, and is no candidate for a while: others come first. */
  readonly sitsOut: boolean;
}
