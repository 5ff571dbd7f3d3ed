/** Times of day in what users of Patroni read. */

/**
 * With the zone as Patroni writes it, `+00:00`: what its users read the time with, such as an older Python,
 * may know no `Z`.
 */
export function withOffset(iso: string): string {
  return iso.replace(/Z$/, "+00:00");
}
