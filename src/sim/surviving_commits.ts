/**
 * The invariant of synchronous modes (src/sync/DESIGN.md): every primary has what was acknowledged before,
 * from the moment that the records promise it. It rests on no clock: it is checked with all bounds of clocks
 * broken, too, where a former primary may go on for as long as it likes. The promise ends only if an operator
 * has asked for that since it began: mode off, or another cluster that this one is to follow. What was
 * acknowledged until then may be given up; what is acknowledged under the next promise counts again. A
 * cluster that is to follow another one is rewound to that before its records say that the promise is over:
 * there, the wish gives up everything. Throws a Violation.
 */
import { Violation, type World } from "../../raft/sim/mod.ts";
import { type DcsState, isInitialized } from "../model/records.ts";
import { isPromised } from "../sync/record.ts";
import type { ModelServer } from "./model_server.ts";
import { type Branch, contains, type Position } from "./wal.ts";

export const SURVIVE = "acknowledged transactions survive";
const COUNTS = "what a primary of a synchronous mode acknowledges is promised";
const KEPT = "a promise ends as an operator has asked";

export class SurvivingCommits {
  /** Acknowledgements under the promise, grants that rested on votes, and promises that an operator ended. */
  readonly counts = { acknowledged: 0, elected: 0, ended: 0 };
  #revision = 0;
  #clusterEpoch = 0;
  /**
   * The epoch under which the present promise began; null: there is none. A primary of an earlier one never
   * heard of it: if the clocks' bounds are broken it goes on as in mode off, and that is not promised.
   */
  #sinceEpoch: number | null = null;
  /**
   * The first epoch that was granted in a synchronous mode, if that has been on ever since: its holder has
   * known of no other, and becomes a primary only under the promise. So does the first holder of a cluster
   * that has followed another one from its beginning. null: there is none.
   */
  #asksSinceEpoch: number | null = null;
  #known: Pick<DcsState, "lock" | "config" | "initialize"> | null = null;
  /** Some configuration since the promise began has asked for its end. */
  #mayEnd = false;
  /** The last server that began to write under an epoch of its own, and its WAL then. */
  #primary: { readonly server: ModelServer; readonly epoch: number; readonly start: Position } | null = null;
  readonly #branches = new Set<Branch>();
  /** Epochs that an operator has granted to a member that may lack something. */
  readonly #forced = new Set<number>();

  readonly #world: World;
  /**
   * What a primary of a synchronous mode acknowledges counts also where the records do not promise it: for
   * runs in which they fail to, to see what becomes of it.
   */
  readonly #countsUnpromised: boolean;

  constructor(world: World, countsUnpromised = false) {
    this.#world = world;
    this.#countsUnpromised = countsUnpromised;
  }

  onGrant(epoch: number, by: string | undefined): void {
    if (by === "operator") this.#forced.add(epoch);
    if (by === "votes") this.counts.elected++;
  }

  /** The records of some member; the latest count. */
  onRecords(state: DcsState): void {
    const { revision, clusterEpoch, sync, lock, config, initialize } = state;
    if (revision <= this.#revision && clusterEpoch === this.#clusterEpoch) return;
    const isOn = isInitialized(state) && asksForPromise(config);
    const isGranted = asksForPromise(this.#known?.config ?? null) && lock.epoch > this.#known!.lock.epoch;
    const beginsAsStandby = follows(config) && (this.#known === null || !isInitialized(this.#known));
    const isFirst = isGranted || beginsAsStandby;
    this.#asksSinceEpoch = isOn ? this.#asksSinceEpoch ?? (isFirst ? lock.epoch : null) : null;
    this.#known = { lock, config, initialize };
    const isKept = isPromised(sync) || this.#sinceEpoch === null || clusterEpoch !== this.#clusterEpoch;
    const asksForNone = !asksForPromise(config) || follows(config);
    if (!isKept && !this.#mayEnd && !asksForNone) {
      throw new Violation(KEPT, `the records of revision ${revision} promise nothing any more`);
    }
    if (!isKept) this.counts.ended++;
    this.#mayEnd = asksForNone || (this.#mayEnd && isPromised(sync));
    const isOwed = isPromised(sync) || (this.#countsUnpromised && this.#asksSinceEpoch !== null);
    const isGivenUp = follows(config) || !isOwed;
    if (this.#forced.has(lock.epoch) || clusterEpoch !== this.#clusterEpoch || isGivenUp) {
      this.#branches.clear();
    }
    this.#revision = revision;
    this.#clusterEpoch = clusterEpoch;
    this.#sinceEpoch = isPromised(sync) ? this.#sinceEpoch ?? lock.epoch : null;
  }

  onAcknowledged({ name, epoch, directory }: ModelServer): void {
    if (this.#sinceEpoch === null && !this.#countsUnpromised) this.#expectPromise(name, epoch);
    const since = this.#sinceEpoch ?? (this.#countsUnpromised ? this.#asksSinceEpoch : null);
    if (since === null || epoch === null || epoch < since) return;
    // Its server is to be rewound to the other cluster, or copied from it, as soon as it has heard of that.
    if (follows(this.#known?.config ?? null)) return;
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

  /** The holder of the present epoch; a former one may never have heard of the mode. */
  #expectPromise(name: string, epoch: number | null): void {
    const { lock, config = null } = this.#known ?? {};
    if (this.#asksSinceEpoch === null || epoch === null || follows(config)) return;
    if (epoch < this.#asksSinceEpoch || epoch !== lock?.epoch) return;
    throw new Violation(COUNTS, `${name} acknowledges under epoch ${epoch}, and the records promise nothing`);
  }

  onWriter(server: ModelServer): void {
    const { epoch } = server;
    // Under one and the same epoch the holder may begin anew: demoted to another cluster and promoted again.
    if (epoch === null || (this.#primary !== null && epoch < this.#primary.epoch)) return;
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

function asksForPromise(config: DcsState["config"]): boolean {
  return (config?.value["synchronous_mode"] ?? "off") !== "off";
}

/** The cluster is to follow another one. */
function follows(config: DcsState["config"]): boolean {
  return config?.value["standby_cluster"] !== undefined;
}
