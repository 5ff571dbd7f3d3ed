/**
 * The invariant of synchronous modes (src/sync/DESIGN.md): every primary has what was acknowledged before,
 * from the moment that the records promise it. It rests on no clock: it is checked with all bounds of clocks
 * broken, too, where a former primary may go on for as long as it likes. Throws a Violation.
 */
import { Violation, type World } from "../../raft/sim/mod.ts";
import type { DcsState } from "../model/records.ts";
import { isPromised } from "../sync/record.ts";
import type { ModelServer } from "./model_server.ts";
import { type Branch, contains, type Position } from "./wal.ts";

export const SURVIVE = "acknowledged transactions survive";

export class SurvivingCommits {
  /** Acknowledgements under the promise, and grants that rested on votes. */
  readonly counts = { acknowledged: 0, elected: 0 };
  #revision = 0;
  #clusterEpoch = 0;
  /**
   * The epoch under which the present promise began; null: there is none. A primary of an earlier one never
   * heard of it: if the clocks' bounds are broken it goes on as in mode off, and that is not promised.
   */
  #sinceEpoch: number | null = null;
  /** The last server that began to write under an epoch of its own, and its WAL then. */
  #primary: { readonly server: ModelServer; readonly epoch: number; readonly start: Position } | null = null;
  readonly #branches = new Set<Branch>();
  /** Epochs that an operator has granted to a member that may lack something. */
  readonly #forced = new Set<number>();

  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  onGrant(epoch: number, by: string | undefined): void {
    if (by === "operator") this.#forced.add(epoch);
    if (by === "votes") this.counts.elected++;
  }

  /** The records of some member; the latest count. */
  onRecords({ revision, clusterEpoch, sync, lock }: DcsState): void {
    if (revision <= this.#revision && clusterEpoch === this.#clusterEpoch) return;
    if (this.#forced.has(lock.epoch) || clusterEpoch !== this.#clusterEpoch || !isPromised(sync)) {
      this.#branches.clear();
    }
    this.#revision = revision;
    this.#clusterEpoch = clusterEpoch;
    this.#sinceEpoch = isPromised(sync) ? this.#sinceEpoch ?? lock.epoch : null;
  }

  onAcknowledged({ name, epoch, directory }: ModelServer): void {
    if (this.#sinceEpoch === null || epoch === null || epoch < this.#sinceEpoch) return;
    const { branch } = directory.position!;
    branch.promisedLsn = branch.ackedLsn;
    this.#branches.add(branch);
    this.counts.acknowledged++;
    const primary = this.#primary;
    if (primary === null || primary.epoch <= epoch) return;
    if (contains(primary.start, { branch, lsn: branch.promisedLsn })) return;
    throw new Violation(
      SURVIVE,
      `${name} acknowledges up to ${branch.promisedLsn} under epoch ${epoch}, and ${primary.server.name}, primary ` +
        `of epoch ${primary.epoch}, lacks it`,
    );
  }

  onWriter(server: ModelServer): void {
    const { epoch } = server;
    if (epoch === null || (this.#primary !== null && epoch <= this.#primary.epoch)) return;
    const start = server.directory.position!;
    this.#primary = { server, epoch, start };
    for (const branch of this.#branches) {
      if (contains(start, { branch, lsn: branch.promisedLsn })) continue;
      throw new Violation(
        SURVIVE,
        `${server.name} writes under epoch ${epoch} from ${start.lsn} and lacks what ${branch.writer} has acknowledged ` +
          `on timeline ${branch.timeline} up to ${branch.promisedLsn}`,
      );
    }
    this.#world.log.add(server.name, `has all ${this.#branches.size} branches that were acknowledged`);
  }
}
