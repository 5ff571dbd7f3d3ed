/**
 * Makes a copy of a member in the empty data directory: by the methods of `create_replica_methods`, in their
 * order, until one succeeds. Each method resolves to null, or to a text that says what went wrong.
 *
 * Which method made it decides nothing about safety. A copy is a standby: it replays the cluster's WAL or
 * stops, and it is measured by its WAL when a primary is chosen, as every standby is. What must not get in is
 * the data of another cluster, or of a history that the cluster has left. Both are looked up in the control
 * file of the copy, whatever its method says.
 */
import type { PostgresAction } from "../../brain/actions.ts";
import { beginCopy, type CopyStatus, describeCopy } from "../../model/copy_status.ts";
import type { ReplicaMethod } from "../../model/config.ts";
import { isSet } from "../../model/parse_bool.ts";
import { slotName } from "../../model/slot_name.ts";
import { isReachable } from "../../model/standby_cluster.ts";
import { askingOf, cloneDirectory, type CloneInput, tablespaces } from "../../postgres/basebackup.ts";
import { CopyRate } from "../../postgres/copy_rate.ts";
import { holdWal, whyOtherData } from "../../postgres/copy_wal.ts";
import { type MethodCall, readMade, replicaArguments, runMethod, settleMade } from "../../postgres/method.ts";
import { emptyParts } from "../../postgres/outside_parts.ts";
import { prune } from "../../postgres/set_aside.ts";
import { forgetMadeSlots } from "../../postgres/made_slots.ts";
import { clearAfterCommand, clearUnfinished, endLeftover } from "../../postgres/staging.ts";
import { upstreamConninfo } from "../../postgres/upstream.ts";
import { writeThrough } from "../../postgres/write_through.ts";
import type { PostgresContext } from "./context.ts";
import { forgetHistory, mayRemoveDirectory, moveCommandsDataAway, whyNotMine } from "./empty_directory.ts";
import { CANCELLED } from "./stop.ts";

export type Progress = (detail: string, copy?: CopyStatus) => void;
export type Clone = Extract<PostgresAction, { readonly kind: "clone" }>;
export type Restore = Extract<PostgresAction, { readonly kind: "restore" }>;

/** The copy that a command is to make. `input`: of a member; null: of no member, there is no primary. */
interface Wanted {
  /** null: any. */
  readonly systemId: string | null;
  readonly timeline: number | null;
  readonly input: CloneInput | null;
  readonly connstring: string;
}

export class PostgresCopy {
  readonly #context: PostgresContext;

  constructor(context: PostgresContext) {
    this.#context = context;
  }

  async clone(action: Clone, signal: AbortSignal, progress: Progress): Promise<string | null> {
    const { from, leader, of } = action;
    const context = this.#context;
    const { postgresql, pgpass } = context.parts;
    if (from.remote && !isReachable(from)) {
      return await this.#fromArchive(of?.systemId ?? null, signal, progress);
    }
    const busy = await whyNotMine(context);
    if (busy !== null) return busy;
    pgpass.allow(from.connUrl);
    const conninfo = this.#conninfo(from, null);
    const connstring = this.#conninfo(from, "postgres");
    if (conninfo === null || connstring === null) {
      return `${from.name} has no usable address: ${from.connUrl}`;
    }
    const source = from.remote ? "remote primary" : from.name === leader.name ? "leader" : "replica";
    context.info(`trying to bootstrap from ${source} '${from.name}'`);
    const input = this.#input(action, conninfo, signal, progress);
    const configured = from.remote
      ? context.dynamic.postgresql.remoteMethods
      : postgresql.createReplicaMethods;
    const methods = action.basebackupOnly ? ["basebackup" as const] : configured;
    const wanted = { systemId: null, timeline: null, ...of, input, connstring };
    return await this.#inOrder(
      methods,
      signal,
      (method) =>
        method === "basebackup" ? this.#basebackup(input) : this.#command(method, wanted, signal, progress),
    );
  }

  /** By the methods that need no primary. */
  async restore({ systemId }: Restore, signal: AbortSignal, progress: Progress): Promise<string | null> {
    const context = this.#context;
    const busy = await whyNotMine(context);
    if (busy !== null) return busy;
    context.info("trying to bootstrap (without leader)");
    const methods = context.parts.postgresql.createReplicaMethods
      .filter((method) => method !== "basebackup").filter(({ noLeader }) => noLeader);
    const wanted = { systemId, timeline: null, input: null, connstring: "" };
    return await this.#inOrder(methods, signal, (method) => this.#command(method, wanted, signal, progress));
  }

  /** A standby cluster that knows no address of its remote primary. */
  async #fromArchive(
    systemId: string | null,
    signal: AbortSignal,
    progress: Progress,
  ): Promise<string | null> {
    const context = this.#context;
    context.info("trying to bootstrap the standby leader without a connection to its remote primary");
    const methods = context.dynamic.postgresql.remoteMethods
      .filter((method) => method !== "basebackup").filter(({ noLeader }) => noLeader);
    const wanted = { systemId, timeline: null, input: null, connstring: "" };
    return await this.#inOrder(methods, signal, (method) => this.#command(method, wanted, signal, progress));
  }

  async #inOrder<Method extends "basebackup" | ReplicaMethod>(
    methods: readonly Method[],
    signal: AbortSignal,
    run: (method: Method) => Promise<string | null>,
  ): Promise<string | null> {
    const context = this.#context;
    const failures: string[] = [];
    for (const method of methods) {
      if (signal.aborted) return CANCELLED;
      const name = typeof method === "string" ? method : method.name;
      const failed = await run(method);
      if (failed === null) {
        await this.#complete(name);
        return null;
      }
      failures.push(failed);
      if (signal.aborted) break;
      if (methods.length > 1) context.warn(`Error creating replica using method ${name}: ${failed}`);
    }
    const failed = failures.join("; ") || "no method of create_replica_methods works without a leader";
    if (/no space left/i.test(failed)) {
      const keep = mayRemoveDirectory(context) ? 0 : 1;
      await prune(context.dataDir, keep, context.info);
    }
    forgetHistory(context);
    await context.survey();
    return failed;
  }

  async #complete(name: string): Promise<void> {
    const context = this.#context;
    const { files, marker } = context.parts;
    files.markStandby();
    forgetMadeSlots(context.dataDir);
    await marker.remove();
    context.info(`replica has been created using ${name}`);
    forgetHistory(context);
    await context.survey();
  }

  async #basebackup(input: CloneInput): Promise<string | null> {
    const unmoved = await moveCommandsDataAway(this.#context);
    return unmoved ?? await cloneDirectory(input);
  }

  async #command(
    method: ReplicaMethod,
    wanted: Wanted,
    signal: AbortSignal,
    progress: Progress,
  ): Promise<string | null> {
    const context = this.#context;
    const { marker, local, pgpass } = context.parts;
    const { dataDir } = context;
    const { input } = wanted;
    const unready = await this.#readyFor(method);
    if (unready !== null) return unready;
    if (input !== null) {
      const other = input.of === null ? null : await whyOtherData(input.from, input.of, askingOf(input));
      if (other !== null) return other;
      if (input.slot !== null) await holdWal(input.leader, input.slot, askingOf(input));
    }
    if (input === null) progress(`without leader, by ${method.name}`);
    else {
      const by = { ...beginCopy(input.from.name, input.from.name !== input.leader.name), by: method.name };
      progress(describeCopy(by), by);
    }
    const parts = input === null || method.keepData ? [] : emptyParts(await tablespaces(input));
    const call: MethodCall = {
      name: method.name,
      command: method.command,
      args: replicaArguments(method, { scope: local.scope, dataDir, connstring: wanted.connstring }),
      env: input === null ? {} : { PGPASSFILE: pgpass.path },
      timeLimitS: method.timeLimitS,
      what: "clone",
      marker,
      parts,
      signal,
    };
    const failed = await context.lendDirectory(() => runMethod(call)) ??
      await this.#whyNotWanted(method.name, wanted, signal);
    if (failed === null) return null;
    // Cancelled, the agent may be about to end, and a large directory takes its time.
    if (!method.keepData && !signal.aborted) await this.#clear();
    return failed;
  }

  /** The directory as the method wants it: empty, or with what it is to go on from. */
  async #readyFor(method: ReplicaMethod): Promise<string | null> {
    const context = this.#context;
    const { marker } = context.parts;
    const found = marker.read();
    if (found === null) return null;
    if (method.keepData && found.content !== "own") {
      endLeftover(marker);
      await marker.writeForCommand("clone", null, [], "kept");
      context.info(`Leaving data directory uncleaned for ${method.name}`);
      return null;
    }
    const unmoved = await moveCommandsDataAway(context);
    if (unmoved !== null) return unmoved;
    if (marker.read() !== null) await clearUnfinished(context.dataDir, marker);
    return null;
  }

  /** Within the run that has found the directory empty: nobody else has put anything there. */
  async #clear(): Promise<void> {
    const context = this.#context;
    const { marker } = context.parts;
    await clearAfterCommand(context.dataDir, marker);
    await marker.write("clone", null, marker.read()?.parts ?? []);
  }

  async #whyNotWanted(
    name: string,
    { systemId, timeline }: Wanted,
    signal: AbortSignal,
  ): Promise<string | null> {
    const { programs } = this.#context.parts;
    const made = await readMade(programs, this.#context.dataDir, this.#context.parts.marker.read());
    if (!made.ok) return `${name} has ended without an error, and ${made.error}`;
    const { control } = made;
    if (systemId !== null && control.systemId !== systemId) {
      return `${name} has made a copy of another cluster: its system identifier is ${control.systemId}, not ${systemId}`;
    }
    // An older timeline is a backup from before a failover, and leads on to the present one.
    if (timeline !== null && control.timeline > timeline) {
      return `${name} has made a copy that is on timeline ${control.timeline}, and the primary is on ${timeline}`;
    }
    settleMade(this.#context.dataDir);
    return await writeThrough(programs, this.#context.dataDir, signal);
  }

  #input(action: Clone, conninfo: string, signal: AbortSignal, progress: Progress): CloneInput {
    const { from, leader, of } = action;
    const context = this.#context;
    const { programs, postgresql, marker, pgpass, local, clock } = context.parts;
    const rate = new CopyRate(from.name, from.name !== leader.name, clock.now());
    return {
      programs,
      postgresql,
      marker,
      from,
      leader,
      of,
      conninfo,
      passfile: pgpass.path,
      applicationName: local.name,
      slot: this.#keepsSlotAt(from) ? slotName(local.name) : null,
      signal,
      onProgress: (doneBytes, totalBytes) => {
        const copy = rate.reported(clock.now(), doneBytes, totalBytes);
        progress(describeCopy(copy), copy);
      },
      warn: context.warn,
    };
  }

  /** The slot on a remote primary is the operator's. A member that does not stream has none. */
  #keepsSlotAt({ remote }: Clone["from"]): boolean {
    const { dynamic, parts: { local } } = this.#context;
    return dynamic.postgresql.useSlots && !remote && !isSet(local.tags["nostream"]);
  }

  #conninfo(upstream: Clone["from"], database: string | null): string | null {
    const { postgresql, pgpass, local, programs } = this.#context.parts;
    return upstreamConninfo({
      upstream,
      credentials: postgresql.replication,
      passfile: pgpass.path,
      applicationName: local.name,
      major: programs.major,
      database,
    });
  }
}
