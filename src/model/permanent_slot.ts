/** A replication slot of the dynamic configuration, for a client that is no member of the cluster. */

export interface PermanentSlot {
  readonly name: string;
  readonly type: "physical" | "logical";
  /** Database and plugin of a logical slot; null for a physical one. */
  readonly database: string | null;
  readonly plugin: string | null;
  /** The kind of cluster in which it is kept; null: in any. */
  readonly clusterType: "primary" | "standby" | null;
}
