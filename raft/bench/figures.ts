/** Compares measurements with their bounds. Pure. */
import type { Summary } from "./summary.ts";

/** Measurements of one run. */
export interface Measured {
  /** Time of a message of a command's size to another process and back. */
  readonly roundTrip: Summary;
  /** Time of a write of a record's size and an fdatasync, in a file that was filled before. */
  readonly fdatasync: Summary;
  readonly commit1: Summary;
  readonly commit64: Summary;
  readonly readIndex: Summary;
  /** Time from SIGKILL of the leader to the next commit. */
  readonly election: Summary;
  /** Time from the start of a member that missed `commands` commands until it has applied all of them. */
  readonly catchUp: readonly { readonly commands: number; readonly seconds: number }[];
  /** Size of the largest directory at the end. */
  readonly directoryBytes: number;
  /** Memory of the leader, after a fifth of a million commands and after all of them; null: not measured. */
  readonly endurance: { readonly earlyRssBytes: number; readonly lateRssBytes: number } | null;
  readonly etcd: EtcdMeasured | null;
}

/** Measurements of a three-member etcd, through its HTTP gateway. */
export interface EtcdMeasured {
  readonly version: string;
  /** Time of a request that does nothing: the part of HTTP in the others. */
  readonly http: Summary;
  readonly put1: Summary;
  readonly put64: Summary;
  readonly read: Summary;
  readonly election: Summary;
}

export interface Figure {
  readonly name: string;
  readonly value: string;
  /** Bound of the figure; empty: measured only. */
  readonly bound: string;
  readonly held: boolean;
}

/** Longest election timeout of the members. */
const ELECTION_MAX_MS = 1000;
/** Allowed growth of memory: the size of a heap depends on its last collection. */
const MEMORY_MAY_VARY = 1.3;

export function figuresOf(measured: Measured): Figure[] {
  const { roundTrip, fdatasync, commit1, commit64, readIndex, election, catchUp, endurance, etcd } = measured;
  const floorMs = roundTrip.p50Ms + fdatasync.p50Ms;
  const commitBoundMs = 3 * floorMs;
  const readBoundMs = 2 * roundTrip.p50Ms + 0.2;
  const figures = [
    only("round trip, p50", ms(roundTrip.p50Ms)),
    only("fdatasync, p50", ms(fdatasync.p50Ms)),
    bounded("commit, 1 in flight, p50", commit1.p50Ms, commitBoundMs, "3 x (round trip + fdatasync)"),
    bounded("commit, 1 in flight, p99", commit1.p99Ms, 5 * commit1.p50Ms, "5 x p50"),
    only("commit, 64 in flight, p50", ms(commit64.p50Ms)),
    only("commit, 64 in flight, p99", ms(commit64.p99Ms)),
    atLeast("commits, 64 in flight", commit64.perSecond ?? 0, 8000),
    bounded("ReadIndex, p50", readIndex.p50Ms, readBoundMs, "2 x round trip + 0.2 ms"),
    only("ReadIndex, p99", ms(readIndex.p99Ms)),
    bounded("leader killed to next commit, p50", election.p50Ms, 900, ""),
    bounded("leader killed to next commit, p99", election.p99Ms, ELECTION_MAX_MS + 200, ""),
    ...catchUp.map(({ commands, seconds }) =>
      only(`catching up ${commands} commands`, `${seconds.toFixed(2)} s`)
    ),
    bytes("raft directory of a member", measured.directoryBytes, 20 * 1024 * 1024),
  ];
  if (endurance !== null) {
    const { earlyRssBytes, lateRssBytes } = endurance;
    const bound = earlyRssBytes * MEMORY_MAY_VARY;
    figures.push(bytes("memory of the leader after 1,000,000 commands", lateRssBytes, bound));
  }
  if (etcd === null) return figures;
  const putMs = Math.max(0, etcd.put1.p50Ms - etcd.http.p50Ms);
  return [
    ...figures,
    only(
      `${etcd.version}: put, 1 in flight, p50`,
      `${ms(etcd.put1.p50Ms)}, HTTP alone ${ms(etcd.http.p50Ms)}`,
    ),
    only("etcd: put, 1 in flight, p99", ms(etcd.put1.p99Ms)),
    only("etcd: puts, 64 in flight", `${Math.round(etcd.put64.perSecond ?? 0)}/s`),
    only("etcd: linearizable read, p50", ms(etcd.read.p50Ms)),
    only("etcd: leader killed to next commit, p50", ms(etcd.election.p50Ms)),
    bounded("commit, 1 in flight, p50", commit1.p50Ms, putMs, "etcd's without HTTP"),
  ];
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 3 : 0)} ms`;
}

function only(name: string, value: string): Figure {
  return { name, value, bound: "", held: true };
}

function bounded(name: string, valueMs: number, boundMs: number, why: string): Figure {
  const bound = `<= ${ms(boundMs)}${why === "" ? "" : ` (${why})`}`;
  return { name, value: ms(valueMs), bound, held: valueMs <= boundMs };
}

function atLeast(name: string, value: number, bound: number): Figure {
  return { name, value: `${Math.round(value)}/s`, bound: `>= ${bound}/s`, held: value >= bound };
}

function bytes(name: string, value: number, bound: number): Figure {
  const mib = (count: number) => `${(count / 1024 / 1024).toFixed(1)} MiB`;
  return { name, value: mib(value), bound: `<= ${mib(bound)}`, held: value <= bound };
}

/** Prints figures as lines of a table, and marks those that miss their bound. */
export function tableOf(figures: readonly Figure[]): string[] {
  const width = (part: (figure: Figure) => string) => Math.max(...figures.map((each) => part(each).length));
  const [names, values] = [width(({ name }) => name), width(({ value }) => value)];
  return figures.map(({ name, value, bound, held }) =>
    `${held ? " " : "!"} ${name.padEnd(names)}  ${value.padStart(values)}  ${bound}`.trimEnd()
  );
}
