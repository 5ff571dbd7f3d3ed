/** A directory of PostgreSQL's on this host, as a probe of the disks found it. */

/** In the order in which a shortage of room that they share is told of. */
export const PLACE_KINDS = ["data", "wal", "tablespace"] as const;
export type PlaceKind = typeof PLACE_KINDS[number];

export interface PlaceReading {
  readonly kind: PlaceKind;
  readonly path: string;
  /** Places of the same device share their room. */
  readonly device: number;
  readonly totalBytes: number;
  /** Free for PostgreSQL's user. */
  readonly freeBytes: number;
  /** How long a small file took that was written, synced and read; null: none was written here. */
  readonly writeMs: number | null;
  /** The first call that failed; null: none did. */
  readonly failure: { readonly call: string; readonly code: string } | null;
}
