/**
 * How far the wall clocks of other members are ahead of this one's. A status says when it was sent, and each
 * ms on its way makes the sender's clock look slower, so that the largest of the last differences is the
 * truest. For people only: leases do not go by wall clocks.
 */
const KEPT = 10;
const MAX_MEMBERS = 128;

export class ClockSkews {
  readonly #differences = new Map<string, readonly number[]>();

  heard(member: string, sentMs: number, wallMs: number): void {
    const before = this.#differences.get(member) ?? [];
    this.#differences.delete(member);
    this.#differences.set(member, [...before, sentMs - wallMs].slice(-KEPT));
    if (this.#differences.size > MAX_MEMBERS) {
      this.#differences.delete(this.#differences.keys().next().value!);
    }
  }

  /** ms by member. */
  get all(): { readonly [member: string]: number } {
    return Object.fromEntries([...this.#differences].map(([member, own]) => [member, Math.max(...own)]));
  }
}
