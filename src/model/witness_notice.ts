import type { CertificateEnd } from "./certificate.ts";
import type { Lsn } from "./lsn.ts";

/**
 * The notice that a witness, a voter without PostgreSQL, sends the others about itself once a second. Never
 * stored.
 */
export interface WitnessNotice {
  readonly name: string;
  readonly raftAddr: string;
  readonly apiUrl: string;
  /** While it leads the raft group: how many more voters may fail; null otherwise. */
  readonly canLose: number | null;
  /** As in a member's status. Absent from witnesses of an older version. */
  readonly holderSeenEpoch?: number;
  readonly holderLsn?: Lsn | null;
  readonly certificatesEnding?: readonly CertificateEnd[];
}
