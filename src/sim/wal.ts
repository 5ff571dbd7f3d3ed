/**
 * WAL as simulations see it: positions on branches of history. A branch is what one server has written since
 * it was promoted (or initialised); it begins at a position of its parent. So "is contained in" is a walk up
 * the parents, and an acknowledged commit is a position that must stay contained.
 */

export interface Position {
  readonly branch: Branch;
  readonly lsn: number;
}

export class Branch {
  /** End of what its writer has flushed. */
  endLsn: number;
  /** End of the last commit on it that a client has been told of. */
  ackedLsn: number;
  acks = 0;
  /** End of the last commit that was acknowledged while the records promised that it survives. */
  promisedLsn = 0;

  readonly timeline: number;
  readonly systemId: string;
  readonly parent: Position | null;

  constructor(
    timeline: number,
    systemId: string,
    parent: Position | null,
    /**
     * Server that writes it; a second one makes a branch of its own, even where the timeline is the same
     * number.
     */
    readonly writer: string,
  ) {
    this.timeline = timeline;
    this.systemId = systemId;
    this.parent = parent;
    this.endLsn = parent?.lsn ?? 0x1000000;
    this.ackedLsn = this.endLsn;
  }

  get startLsn(): number {
    return this.parent?.lsn ?? 0x1000000;
  }
}

/** True when a server that has WAL up to `inner` loses nothing by having it up to `outer` instead. */
export function contains(outer: Position, inner: Position): boolean {
  let position: Position | null = outer;
  while (position !== null) {
    if (position.branch === inner.branch) return inner.lsn <= position.lsn;
    position = position.branch.parent;
  }
  return false;
}

/** The last position that both have. */
export function commonAncestor(a: Position, b: Position): Position | null {
  for (let left: Position | null = a; left !== null; left = left.branch.parent) {
    for (let right: Position | null = b; right !== null; right = right.branch.parent) {
      if (left.branch === right.branch) return { branch: left.branch, lsn: Math.min(left.lsn, right.lsn) };
    }
  }
  return null;
}

/** Bytes of acknowledged commits that are in `before` and not in `after`. */
export function lostBytes(before: Position, after: Position): number {
  let lost = 0;
  for (let position: Position | null = before; position !== null; position = position.branch.parent) {
    const { branch } = position;
    const acked = Math.min(branch.ackedLsn, position.lsn);
    const kept = commonAncestor({ branch, lsn: acked }, after);
    const keptLsn = kept !== null && kept.branch === branch ? kept.lsn : branch.startLsn;
    lost += Math.max(0, acked - Math.max(keptLsn, branch.startLsn));
  }
  return lost;
}
