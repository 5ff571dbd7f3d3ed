/** A server to copy from or to follow, and the data that is expected there. */
export interface Upstream {
  /** A member's name, or that of the server outside which a standby cluster follows (standby_cluster.ts). */
  readonly name: string;
  /** conn_url of the member, e.g. postgres://10.0.0.1:5432/postgres */
  readonly connUrl: string;
  /** No member of this cluster. */
  readonly remote?: true;
}

export interface DataIdentity {
  readonly systemId: string;
  /** null: any. */
  readonly timeline: number | null;
}
