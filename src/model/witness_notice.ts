/** What a witness, a voter without PostgreSQL, tells the others about itself once a second. Never stored. */
export interface WitnessNotice {
  readonly name: string;
  readonly raftAddr: string;
  readonly apiUrl: string;
  /** While it leads the raft group: how many more voters may fail; null otherwise. */
  readonly canLose: number | null;
}
