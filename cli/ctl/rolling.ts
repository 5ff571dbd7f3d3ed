/**
 * `agent ctl restart --rolling`: one member after the other, each only when all the others are well and the
 * one before it streams again. It ends with the first failure: what is left runs on as it was.
 */
import type { ClusterJson, ClusterMemberJson, Reply } from "../../src/api/client.ts";
import { STATUS } from "../../src/api/client.ts";
import { MAX_TIMEOUT_S } from "../../src/model/limits.ts";
import { isNofailover } from "../../src/model/nofailover.ts";
import { isSet } from "../../src/model/parse_bool.ts";
import { parsePostgresVersion } from "../../src/model/postgres_version.ts";
import { parseQuantity } from "../../src/model/time_units.ts";
import { answerJson } from "./answer_json.ts";
import type { Context } from "./command.ts";
import { CtlError } from "./errors.ts";
import { leaderFirst, leaderOf } from "./members.ts";
import { confirm } from "./prompt.ts";
import { leftBehind, type Plan, planRolling, type Step, type Way } from "./rolling_plan.ts";

const POLL_MS = 300;
/** How long a member may take until it streams again, unless --timeout is longer. */
const READY_S = 300;
/** One segment of WAL: a standby that is further behind has not caught up. */
const MAX_LAG_BYTES = 16 * 1024 * 1024;
/** A status is broadcast every half second. */
const SHOWN_MS = 10_000;
/** What is waited for is said after so long. */
const SAY_MS = 2000;

export interface RollingOptions {
  readonly force: boolean;
  /** --timeout, as it was typed: for the restart of one member. */
  readonly timeout: string | null;
  /** --pending: those that are left out do not wait for a restart. */
  readonly pending: boolean;
  /** --pg-version; "": any. */
  readonly version: string;
  /** --primary; null: as suits the change. */
  readonly primary: Way | null;
}

/** Why it ends here, for people. */
class Failure extends Error {}

export async function rollingRestart(
  context: Context,
  cluster: ClusterJson,
  chosen: readonly ClusterMemberJson[],
  options: RollingOptions,
): Promise<number> {
  const { io } = context;
  const timeoutS = timeoutOf(options);
  const leader = leaderOf(cluster);
  const flaw = flawOf(cluster);
  if (leader === null || flaw !== null) {
    throw new CtlError(`Nothing was restarted: ${flaw ?? "the cluster has no leader"}`);
  }
  const members = await olderThan(context, chosen, options.version);
  if (members.length === 0) {
    io.out("No member needs this restart");
    return 0;
  }
  const plan = planRolling(members, leader, options.primary);
  const refused = "refused" in plan ? plan.refused : leftBehind(members, leader, cluster.members);
  if ("refused" in plan || refused !== null) throw new CtlError(`Nothing was restarted: ${refused}`);
  const order = plan.steps.map(({ member, way }) => way === "restart" ? member : `${member} (by switchover)`);
  io.out(`Rolling restart: ${order.join(", ")}`);
  io.out(`Order: ${plan.why}`);
  if (!options.force && !await confirm(io, "Is this what you want?")) throw new CtlError("Aborted restart");
  const settled = await settledBeside(context, cluster, members, options);
  return await new Rolling(context, { ...options, timeoutS }, leader.name, plan, settled).run();
}

function timeoutOf({ timeout }: RollingOptions): number | null {
  if (timeout === null) return null;
  const seconds = parseQuantity(timeout, "s");
  if (seconds !== null && seconds > 0 && seconds <= MAX_TIMEOUT_S) return seconds;
  throw new CtlError(`--timeout: a time in seconds is expected (60, 2min), and not ${timeout}`);
}

/** Those whose PostgreSQL is older than the version. */
async function olderThan(
  context: Context,
  members: readonly ClusterMemberJson[],
  version: string,
): Promise<readonly ClusterMemberJson[]> {
  if (version === "") return members;
  const wanted = parsePostgresVersion(version)!;
  const versions = await Promise.all(members.map((member) => versionOf(context, member)));
  return members.filter((_, index) => versions[index]! < wanted);
}

/** The members that need no restart: they may become the primary as those that were restarted. */
async function settledBeside(
  context: Context,
  { members: all }: ClusterJson,
  members: readonly ClusterMemberJson[],
  { pending, version }: RollingOptions,
): Promise<readonly string[]> {
  if (!pending && version === "") return [];
  const beside = all.filter(({ name }) => !members.some((member) => member.name === name));
  const older = version === "" ? [] : await olderThan(context, beside, version);
  return beside.filter((member) => !(pending && member.pending_restart) && !older.includes(member))
    .map(({ name }) => name);
}

async function versionOf(context: Context, member: ClusterMemberJson): Promise<number> {
  const version = (await ownWord(context, member))?.server_version;
  if (version === undefined) throw new CtlError(`${member.name} does not say which version it runs`);
  return version;
}

/** The status of a member, from itself; null: it does not answer. */
async function ownWord({ cluster }: Context, member: ClusterMemberJson) {
  const reply = await cluster.ofMember(member, "GET", "/patroni", { timeoutMs: 5000 });
  return reply.ok && reply.status === 200 ? answerJson(reply.text, STATUS) : null;
}

/** Why no member had better be restarted now; null: all are well. `but`: not asked about. */
function flawOf(cluster: ClusterJson, but: string | null = null): string | null {
  const away = cluster.agent?.unreachable.find(({ name }) => name !== but);
  if (away !== undefined) return `${away.name} is not heard`;
  const ill = cluster.members.find((member) => member.name !== but && !isWell(member));
  return ill === undefined ? null : `${ill.name} is ${describe(ill)}`;
}

/** A leader that runs, or a standby that has caught up. */
function isWell({ role, state, lag, tags }: ClusterMemberJson): boolean {
  if (role === "leader") return state === "running";
  // What they get, they get from elsewhere: from the archive, or from another cluster.
  if (role === "standby_leader" || isSet(tags?.nostream)) {
    return state === "running" || state === "streaming" || state === "in archive recovery";
  }
  return state === "streaming" && typeof lag === "number" && lag <= MAX_LAG_BYTES;
}

function describe({ state, lag }: ClusterMemberJson): string {
  if (state !== "streaming") return `${state}, and does not stream`;
  return typeof lag === "number"
    ? `${Math.ceil(lag / 1024 / 1024)} MB behind`
    : "behind, nobody knows how far";
}

interface Settings extends RollingOptions {
  readonly timeoutS: number | null;
}

class Rolling {
  readonly #context: Context;
  readonly #options: Settings;
  readonly #steps: readonly Step[];
  /** Standbys must have replayed, and not only received. */
  readonly #replays: boolean;
  readonly #done: string[] = [];
  readonly #settled: readonly string[];
  #leader: string;

  constructor(
    context: Context,
    options: Settings,
    leader: string,
    plan: Plan,
    settled: readonly string[],
  ) {
    this.#context = context;
    this.#options = options;
    this.#leader = leader;
    this.#settled = settled;
    this.#steps = plan.steps;
    this.#replays = plan.lowers;
  }

  /** The exit code. */
  async run(): Promise<number> {
    const { io } = this.#context;
    for (const [index, { member, way }] of this.#steps.entries()) {
      const title = `${index + 1}/${this.#steps.length} ${member}`;
      const failed = await failureOf(this.#take(title, member, way));
      if (failed !== null) return this.#failed(title, failed, index);
      if (!this.#done.includes(member)) this.#done.push(member);
    }
    const pending = await failureOf(this.#untilNonePending());
    if (pending !== null) return this.#failed("At the end", pending, this.#steps.length);
    io.out(`Success: rolling restart of ${this.#done.join(", ")}`);
    return 0;
  }

  #failed(title: string, why: string, index: number): number {
    const left = [...new Set(this.#steps.slice(index).map(({ member }) => member))];
    const { io } = this.#context;
    io.out(`Failed: ${title}: ${why}`);
    io.out(`Restarted: ${this.#done.join(", ") || "none"}. Not restarted: ${left.join(", ") || "none"}.`);
    if (left.length > 0) io.out("The others run on as they were. Name the members that are left to go on.");
    return 1;
  }

  async #take(title: string, member: string, way: Way): Promise<void> {
    const before = await this.#look();
    const leader = leaderOf(before)?.name ?? "nobody";
    if (leader !== this.#leader) throw new Failure(`${leader} is the leader now, and not ${this.#leader}`);
    const flaw = flawOf(before);
    if (flaw !== null) throw new Failure(flaw);
    const candidate = way === "switchover" ? this.#candidate(before) : null;
    const { io } = this.#context;
    if (way === "switchover" && candidate === null) {
      const nobody = "no restarted standby may become the primary";
      if (this.#options.primary === "switchover") throw new Failure(nobody);
      io.out(`${title}: ${nobody}, so it is restarted in place`);
    }
    const sinceMs = performance.now();
    if (candidate === null) await this.#restart(title, before, member);
    else await this.#switchOver(title, before, candidate);
    await this.#untilAllFollow(title);
    await this.#checkVersion(before, member);
    const what = member === this.#leader ? "runs" : "streams";
    const tookS = ((performance.now() - sinceMs) / 1000).toFixed(1);
    io.out(`${title}: ${what} again after ${tookS} s`);
  }

  async #restart(title: string, cluster: ClusterJson, name: string): Promise<void> {
    const { io, cluster: access } = this.#context;
    const { timeoutS } = this.#options;
    io.out(`${title}: restarting`);
    const body = timeoutS === null ? {} : { timeout: timeoutS };
    refuseUnless200(await access.ofMember(memberOf(cluster, name), "POST", "/restart", { body }), "restart");
  }

  async #switchOver(title: string, cluster: ClusterJson, candidate: string): Promise<void> {
    const { io, cluster: access } = this.#context;
    io.out(`${title}: switching over to ${candidate}`);
    const body = { leader: this.#leader, candidate };
    const reply = await access.ofAny(leaderFirst(cluster), "POST", "/switchover", { body });
    refuseUnless200(reply, "switchover");
    this.#leader = candidate;
  }

  /**
   * A standby that has been restarted, or need not be: least lag, then name. Where some are synchronous, one
   * of these. null: none may be promoted.
   */
  #candidate({ members }: ClusterJson): string | null {
    const mustBeSync = members.some(({ role }) => role === "sync_standby");
    const lagOf = ({ lag }: ClusterMemberJson) => typeof lag === "number" ? lag : Infinity;
    const [best] = members.filter(({ name, role, tags = {} }) =>
      (this.#done.includes(name) || this.#settled.includes(name)) && name !== this.#leader &&
      (!mustBeSync || role === "sync_standby") &&
      !isNofailover(tags)
    ).sort((a, b) => lagOf(a) - lagOf(b) || (a.name < b.name ? -1 : 1));
    return best?.name ?? null;
  }

  /**
   * The primary runs, and every standby streams and has what the primary had written by then: where a
   * parameter is lowered, the record that says so is among it. By each one's own word, since what a member
   * shows of the others may be older than the restart.
   */
  async #untilAllFollow(title: string): Promise<void> {
    const limitS = Math.max(READY_S, this.#options.timeoutS ?? 0);
    const sinceMs = performance.now();
    let goal: number | null = null;
    let said: string | null = null;
    for (;;) {
      const cluster = await this.#look(sinceMs + limitS * 1000);
      const leader = leaderOf(cluster);
      const forMs = performance.now() - sinceMs;
      if (leader !== null && leader.name !== this.#leader && forMs > SHOWN_MS) {
        throw new Failure(`${leader.name} is the leader now, and not ${this.#leader}`);
      }
      if (leader?.name === this.#leader) goal ??= await this.#written(leader);
      const flaw = goal === null
        ? `${this.#leader} does not run as the leader`
        : await this.#whoIsBehind(cluster, goal) ?? flawOf(cluster);
      if (flaw === null) return;
      if (forMs > limitS * 1000) throw new Failure(`${flaw}, ${limitS} s after the restart`);
      if (forMs > SAY_MS && flaw !== said) {
        this.#context.io.out(`${title}: waiting up to ${limitS} s: ${flaw}`);
        said = flaw;
      }
      await sleep();
    }
  }

  /** What the members that follow the leader can have; null: it does not run as one. */
  async #written(leader: ClusterMemberJson): Promise<number | null> {
    const xlog = (await ownWord(this.#context, leader))?.xlog;
    if (xlog === undefined) return null;
    if ("location" in xlog) return xlog.location;
    return leader.role === "standby_leader" ? xlog.received_location : null;
  }

  async #whoIsBehind(cluster: ClusterJson, goal: number): Promise<string | null> {
    for (const member of cluster.members) {
      if (member.name === this.#leader) continue;
      const own = await ownWord(this.#context, member);
      if (own === null || own.state !== "running") return `${member.name} does not run`;
      if (isSet(member.tags?.nostream)) continue;
      if (own.replication_state !== "streaming") return `${member.name} does not stream`;
      if (own.xlog === undefined || "location" in own.xlog) return `${member.name} is no standby`;
      const { received_location: received, replayed_location: replayed } = own.xlog;
      if ((this.#replays ? replayed : received) < goal) {
        return `${member.name} has not ${this.#replays ? "replayed" : "received"} what ${this.#leader} wrote`;
      }
    }
    return null;
  }

  async #checkVersion(cluster: ClusterJson, name: string): Promise<void> {
    const { version } = this.#options;
    if (version === "") return;
    const runs = await versionOf(this.#context, memberOf(cluster, name));
    if (runs >= parsePostgresVersion(version)!) return;
    throw new Failure(
      `it runs PostgreSQL ${Math.floor(runs / 10_000)}.${runs % 10_000} still, and not ${version}: ` +
        "the new version is not installed on its host, or bin_dir names another one",
    );
  }

  /** No member that was restarted waits for another restart. */
  async #untilNonePending(): Promise<void> {
    const untilMs = performance.now() + SHOWN_MS;
    for (;;) {
      const { members } = await this.#look(untilMs);
      const left = members.find(({ name, pending_restart }) => this.#done.includes(name) && pending_restart);
      if (left === undefined) return;
      if (performance.now() > untilMs) {
        const why = Object.entries(left.pending_restart_reason ?? {}).map(([parameter, reason]) =>
          `${parameter} ${reason.old_value} -> ${reason.new_value}`
        );
        throw new Failure(`${left.name} still waits for a restart (${why.join(", ")})`);
      }
      await sleep();
    }
  }

  /** A member that answers may restart at this moment: tried again until then. */
  async #look(untilMs = performance.now() + SHOWN_MS): Promise<ClusterJson> {
    for (;;) {
      try {
        return await this.#context.cluster.look();
      } catch (error) {
        if (!(error instanceof CtlError) || performance.now() > untilMs) throw error;
      }
      await sleep();
    }
  }
}

function memberOf({ members }: ClusterJson, name: string): ClusterMemberJson {
  const member = members.find((one) => one.name === name);
  if (member === undefined) throw new Failure("it is not heard");
  return member;
}

function refuseUnless200(reply: Reply, what: string): void {
  if (!reply.ok) throw new Failure(`the outcome of the ${what} is not known: ${reply.error}`);
  if (reply.status === 200) return;
  const reason = reply.headers.get("X-Reason");
  throw new Failure(
    `${what} failed: status code=${reply.status}, (${reply.text})${reason === null ? "" : `: ${reason}`}`,
  );
}

/** Why a step has failed, for people; null: it has not. */
async function failureOf(step: Promise<void>): Promise<string | null> {
  try {
    await step;
    return null;
  } catch (error) {
    if (error instanceof Failure || error instanceof CtlError) return error.message;
    throw error;
  }
}

function sleep(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
