/**
 * Compares this member's history with another's, to decide whether it may follow, and whether the other still
 * has the WAL for that. It only reads, but for a history file that leads nowhere.
 */
import { formatLsn, type Lsn } from "../../model/lsn.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import type { Upstream } from "../../model/upstream.ts";
import { historyOnDisk, wroteAlone } from "../../postgres/data_directory.ts";
import { errorText } from "../../postgres/error_text.ts";
import {
  compareHistories,
  type HistoryVerdict,
  leftAt,
  type LocalPosition,
  ONE_TIMELINE,
  type OtherHistory,
} from "../../postgres/history.ts";
import { ReplicationSource } from "../../postgres/replication_source.ts";
import { compareWal } from "../../postgres/same_wal.ts";
import { holdsWal, segmentName } from "../../postgres/source_wal.ts";
import type { PostgresContext } from "./context.ts";
import { isWhole } from "./server_memory.ts";
import { atMost } from "./wait.ts";

/** A standby is not kept from its start for longer by the reading of its WAL. */
const WAL_END_WAIT_MS = 30_000;

const TARGET_QUERY = "SELECT current_setting('recovery_target_timeline') AS target";
const LATEST = "latest";

type Divergence = NonNullable<PostgresView["divergence"]>;
type Finding = Omit<Divergence, "from" | "timelineOfOther" | "tokenOfOther" | "atMs">;

export class HistoryComparison {
  readonly #context: PostgresContext;

  constructor(context: PostgresContext) {
    this.#context = context;
  }

  /**
   * `content`: the directory is not one of this cluster yet. It is compared up to all that its disk holds,
   * and a failure to compare the WAL itself is said. `token`: the data that `other` is known to have.
   */
  async compare(other: Upstream, token: string | undefined, content = false): Promise<void> {
    const { memory, postgresql, local } = this.#context.parts;
    const named = token === undefined ? {} : { tokenOfOther: token };
    const note = (timelineOfOther: number, found: Finding) =>
      this.#note({ from: other.name, timelineOfOther, ...named, ...found });
    const position = await this.#position(content);
    if (position === null) {
      return note(0, { verdict: "unknown", detail: "this member's position is not known" });
    }
    let source: ReplicationSource | null = null;
    try {
      const open = other.remote ? ReplicationSource.openPrimary : ReplicationSource.open;
      source = await open(other.connUrl, postgresql.replication, local.name);
      const others = await historyOf(source);
      const end = this.#endOnDisk(position, content);
      // A standby may be behind, and another cluster's primary need not let a rewind user in.
      const isAsked = !others.inRecovery && end.timeline <= others.timeline && (content || !other.remote);
      const at = isAsked ? this.#onDisk(this.#received(end, others)) : null;
      const compared = await this.#withContent(
        compareHistories(end, others),
        at,
        other,
        others.timeline,
        content,
      );
      const { verdict, detail } = compared;
      if (verdict === "same" && position.timeline < others.timeline) {
        this.#context.histories.replace(others.timeline, others.history);
      }
      const strays = verdict === "same"
        ? [...this.#context.histories.note(others, end), ...await this.#stays()]
        : [];
      memory.loss.other = verdict === "diverged" ? others : null;
      const noRewind = memory.rewoundInVain === others.timeline
        ? "pg_rewind finds nothing to do"
        : compared.noRewind;
      const next = Math.max(position.lsn, memory.server?.received?.lsn ?? memory.diskEnd?.lsn ?? 0);
      // At the other's own end the next segment may not be there yet.
      const isBehind = verdict === "same" && next < others.lsn;
      const walGone = isBehind ? await this.whyGone(other, next) : null;
      note(others.timeline, {
        verdict,
        detail,
        ...(noRewind === undefined ? {} : { noRewind }),
        ...(walGone === null ? {} : { walGone }),
        ...(strays.length === 0 ? {} : { strays }),
      });
    } catch (error) {
      note(0, { verdict: "unknown", detail: `${other.name}: ${errorText(error)}` });
    } finally {
      source?.close();
    }
  }

  /**
   * A server that was started to be promoted from its own timeline, and was not, goes to no later one as long
   * as it runs.
   */
  async #stays(): Promise<readonly string[]> {
    const { guard, memory, server } = this.#context.parts;
    if (guard.view().postmaster === null || memory.server?.status?.inRecovery !== true) return [];
    const rows = await server.with({ applicationName: "agent compare" }, (own) => own.query(TARGET_QUERY));
    const target = rows[0]?.target ?? LATEST;
    return target === LATEST ? [] : [`recovery_target_timeline = ${target}`];
  }

  #note(found: Omit<Divergence, "atMs">): void {
    const { clock, memory, changed } = this.#context.parts;
    const { from, verdict, detail } = found;
    const known = memory.divergence;
    if (known?.verdict !== verdict || known.from !== from) {
      this.#context.info(`history compared with ${from}: ${verdict} (${detail})`);
    }
    memory.divergence = { ...found, atMs: clock.now() };
    changed();
  }

  /** The WAL of a stopped server. Without it only what was replayed would be compared. */
  async #readToItsEnd(): Promise<void> {
    const { clock, memory, guard } = this.#context.parts;
    if (guard.view().postmaster !== null || isWhole(memory.diskEnd)) return;
    await atMost(clock, WAL_END_WAIT_MS, this.#context.readWalEnd());
  }

  /** How far the local history goes, by the rules for standbys (replayed) and former primaries (written). */
  async #position(content: boolean): Promise<LocalPosition | null> {
    if (content) await this.#readToItsEnd();
    const context = this.#context;
    const { memory, guard } = context.parts;
    const alone = wroteAlone(context.dataDir);
    const history = (timeline: number) => historyOnDisk(context.dataDir, timeline);
    if (guard.view().postmaster !== null) {
      const status = memory.server?.status ?? null;
      const lsn = status?.inRecovery ? status.replayLsn : status?.walLsn;
      if (!status?.systemId || status.timeline === null || !lsn) return null;
      const { systemId, timeline } = status;
      return { systemId, timeline, lsn, wroteAlone: alone, history: history(timeline) };
    }
    const { control, directory } = memory.found;
    if (control === null || directory.kind !== "valid") return null;
    const { systemId, timeline } = control;
    if (control.clusterState.endsWith("recovery") && control.clusterState !== "in crash recovery") {
      const lsn = control.minRecoveryLsn || control.redoLsn;
      return { systemId, timeline, lsn, wroteAlone: alone, history: history(timeline) };
    }
    if (memory.diskEnd === null) await context.readWalEnd();
    return memory.diskEnd === null
      ? null
      : { systemId, timeline, lsn: memory.diskEnd.lsn, wroteAlone: alone, history: history(timeline) };
  }

  /**
   * A standby that starts replays what its disk holds before it streams. That may be on a later timeline than
   * the control file's, which names the one of the last checkpoint. One that runs may not have come to the
   * end of what its disk held at its start.
   */
  #endOnDisk(position: LocalPosition, content: boolean): LocalPosition {
    const { dataDir, parts: { memory: { diskEnd, server } } } = this.#context;
    const status = server?.status;
    // It streams once it has replayed all that.
    const startsStill = status?.inRecovery === true && status.receiveLsn === null;
    const end = startsStill ? server!.floor : content ? diskEnd : null;
    if (end === null || end.timeline < position.timeline) return position;
    const { timeline, lsn } = end;
    if (timeline === position.timeline) return { ...position, lsn: Math.max(position.lsn, lsn) };
    return { ...position, timeline, lsn, history: historyOnDisk(dataDir, timeline) };
  }

  /** What a standby has received and not replayed is compared as well, as far as it can be the other's. */
  #received(end: LocalPosition, other: OtherHistory): LocalPosition {
    const received = this.#context.parts.memory.server?.received ?? null;
    if (received?.timeline !== end.timeline) return end;
    const left = leftAt(other.history, end.timeline) ?? 0;
    const othersEnd = end.timeline === other.timeline ? other.lsn : left;
    return { ...end, lsn: Math.max(end.lsn, Math.min(received.lsn, othersEnd)) };
  }

  /** After a rewind pg_control may name a position beyond the WAL that is there to be compared. */
  #onDisk(end: LocalPosition): LocalPosition {
    const { memory: { diskEnd }, guard } = this.#context.parts;
    if (guard.view().postmaster !== null || diskEnd?.timeline !== end.timeline) return end;
    return { ...end, lsn: Math.min(end.lsn, diskEnd.lsn) };
  }

  /**
   * Positions do not show that one number was given to two timelines: a member was promoted and cut off
   * before anybody had heard of its timeline, and another one was promoted from the same position. Their WAL
   * shows it. `at`: where it is compared; null: it is not.
   */
  async #withContent(
    verdict: HistoryVerdict,
    at: LocalPosition | null,
    other: Upstream,
    timelineOfOther: number,
    isNew: boolean,
  ): Promise<HistoryVerdict> {
    const { parts: { postgresql, local, memory, log }, dataDir, warn } = this.#context;
    const { control } = memory.found;
    if (verdict.verdict !== "same" || at === null || control === null) return verdict;
    const place = { dataDir, timeline: at.timeline, end: at.lsn, segmentBytes: control.segmentBytes };
    const compare = (timeline: number) =>
      compareWal({ ...place, timelineOfOther: timeline }, other.connUrl, postgresql.rewind, local.name);
    try {
      let is = await compare(at.timeline);
      // Of the segment in which a timeline begins, the part before is a copy of the earlier one's.
      if (is === "unknown" && timelineOfOther !== at.timeline) is = await compare(timelineOfOther);
      if (is !== "different") return verdict;
    } catch (error) {
      const text = `the WAL of ${other.name} cannot be compared with this member's: ${errorText(error)}`;
      if (isNew) warn(text);
      else log.debug("compare_wal", text);
      return verdict;
    }
    const detail = `this member's WAL of timeline ${at.timeline} up to ${
      formatLsn(at.lsn)
    } is not the primary's`;
    return { verdict: "diverged", detail, noRewind: ONE_TIMELINE };
  }

  /** Why `other` cannot send the WAL from `lsn` on; null: it can, or does not say. */
  async whyGone(other: Upstream, lsn: Lsn): Promise<string | null> {
    const { postgresql, local, memory, log } = this.#context.parts;
    const { control } = memory.found;
    // With an archive the WAL may come from there.
    if (hasArchive(this.#context) || control === null) return null;
    const segment = segmentName(lsn, control.segmentBytes);
    try {
      if (await holdsWal(other.connUrl, postgresql.rewind, local.name, segment)) return null;
    } catch (error) {
      log.debug("wal_gone", `the WAL of ${other.name}: ${errorText(error)}`);
      return null;
    }
    return `${other.name} has removed the WAL from ${formatLsn(lsn)} on that this member needs`;
  }
}

/** A standby that is promoted meanwhile counts as one still, that is on its new timeline at the most. */
async function historyOf(source: ReplicationSource): Promise<OtherHistory> {
  const inRecovery = await source.inRecovery();
  const identity = await source.identify();
  return { ...identity, history: await source.history(identity.timeline), inRecovery };
}

/** A setting as the configuration gives it; "": it does not. */
export function settingOf({ dynamic }: PostgresContext, name: string): string {
  const { parameters, recoveryConf } = dynamic.postgresql;
  return recoveryConf[name] ?? parameters[name] ?? "";
}

export function hasArchive(context: PostgresContext): boolean {
  return settingOf(context, "restore_command") !== "";
}
