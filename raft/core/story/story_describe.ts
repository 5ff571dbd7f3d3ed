/** Prints messages, entries, Readys and servers for stories: one line each, without empty fields. Pure. */
import { ByteReader } from "../bytes.ts";
import { decodeConfiguration } from "../configuration.ts";
import { contextNumber, isTransferCampaign } from "../message.ts";
import type { MemberProgress, RawNodeStatus } from "../status.ts";
import { textOf } from "../testing.ts";
import type { Configuration, Entry, Message, Ready, Snapshot } from "../types.ts";

export function describeConfiguration({ voters, learners }: Configuration): string {
  const listening = learners.length === 0 ? "" : ` learners ${learners.join(",")}`;
  return `voters ${voters.length === 0 ? "none" : voters.join(",")}${listening}`;
}

/** Prints term and index, then the command. */
export function describeEntry({ term, index, kind, data }: Entry): string {
  const what = kind === "config"
    ? describeConfiguration(decodeConfiguration(data))
    : data.length === 0
    ? "empty"
    : textOf(data);
  return `${term}/${index} ${what}`;
}

function describeEntries(entries: readonly Entry[]): string {
  return `[${entries.map(describeEntry).join(", ")}]`;
}

export function describeSnapshot({ term, index, configuration }: Snapshot): string {
  return `${term}/${index} ${describeConfiguration(configuration)}`;
}

/** Prints "vote 1>2 ...": sender and receiver, then what matters for the type. */
export function describeMessage(message: Message): string {
  const { type, from, to, term } = message;
  const inTerm = term === 0 ? "" : ` term ${term}`;
  const details = detailsOf(message);
  return `${type} ${from}>${to}${inTerm}${details === "" ? "" : ` ${details}`}`;
}

function detailsOf(message: Message): string {
  const { index, logTerm, entries, commit, reject, rejectHint, snapshot, context } = message;
  switch (message.type) {
    case "preVote":
    case "vote":
      return `log ${logTerm}/${index}${isTransferCampaign(message) ? " by transfer" : ""}`;
    case "preVoteResponse":
    case "voteResponse":
      return reject ? "rejected" : "granted";
    case "append":
      return `after ${logTerm}/${index} commit ${commit} ${describeEntries(entries)}`;
    case "appendResponse":
      return reject ? `rejects ${index}, hint ${logTerm}/${rejectHint}` : `has ${index}`;
    case "heartbeat":
      return `commit ${commit}${roundOf(context)}`;
    case "heartbeatResponse":
      return roundOf(context).trim();
    case "snapshot":
      return snapshot === null ? "" : describeSnapshot(snapshot);
    case "timeoutNow":
      return "";
    case "propose":
      return describeEntries(entries);
    case "transferLeader":
      return `to ${contextNumber(context)}`;
    case "readIndex":
      return `token ${tokenOf(context)}`;
    case "readIndexResponse":
      return `token ${tokenOf(context)} at ${index}`;
  }
}

function roundOf(context: Uint8Array): string {
  const round = contextNumber(context);
  return round === null ? "" : ` round ${round}`;
}

/** The token stands behind the asker's incarnation. */
function tokenOf(context: Uint8Array): number {
  const reader = new ByteReader(context);
  reader.count();
  return reader.count();
}

/** Prints what a Ready asks for, without the messages that wait for its writes. */
export function describeReady(ready: Ready): string[] {
  const { softState, hardState, snapshot, entries, committed, readStates, messages } = ready;
  const lines: string[] = [];
  if (softState !== null) {
    const leader = softState.leader === 0 ? "no leader" : `leader ${softState.leader}`;
    lines.push(`${softState.role}, ${leader}`);
  }
  if (hardState !== null) {
    lines.push(`write term ${hardState.term} vote ${hardState.vote} commit ${hardState.commit}`);
  }
  if (snapshot !== null) lines.push(`write snapshot ${describeSnapshot(snapshot)}`);
  if (entries.length > 0) lines.push(`write ${describeEntries(entries)}`);
  if (committed.length > 0) lines.push(`apply ${describeEntries(committed)}`);
  for (const { token, index } of readStates) lines.push(`read ${token} at ${index}`);
  for (const message of messages) lines.push(`send ${describeMessage(message)}`);
  return lines;
}

export function describeServer(status: RawNodeStatus): string {
  const { id, role, term, leader, lastTerm, lastIndex, commit, configuration } = status;
  const follows = role === "follower" && leader !== 0 ? ` of ${leader}` : "";
  return `${id}: ${role}${follows}, term ${term}, log ${lastTerm}/${lastIndex}, commit ${commit}, ` +
    describeConfiguration(configuration);
}

export function describeProgress(progress: MemberProgress): string {
  const { id, voter, state, match, next, recentActive, paused, inflight } = progress;
  const marks = [
    voter ? "" : "learner",
    inflight > 0 ? `${inflight} inflight` : "",
    paused ? "paused" : "",
    recentActive ? "" : "silent",
  ].filter((mark) => mark !== "");
  return `${id}: ${[`${state} match ${match} next ${next}`, ...marks].join(", ")}`;
}
