/**
 * A member whose place in a cluster is not known yet. Until it is, every request is rejected with the reason.
 * Listeners hear the real member from its first event on.
 */
import type { NodeId } from "../core/types.ts";
import type { Raft, RaftStatus } from "./api.ts";
import type { MemberInfo } from "./raft_options.ts";

export interface LateRaftOptions {
  /** Id until the real one is known. */
  readonly id: NodeId;
  /** Members, as configured. */
  readonly members: readonly MemberInfo[];
  /** Begins to look; `found` is called once, unless the search was stopped. */
  readonly begin: (found: (raft: Raft) => void) => { readonly waitsFor: string; stop(): void } | null;
}

/** A Raft before and after its cluster is found; see the head of this file. `start` begins the search. */
export class LateRaft implements Raft {
  readonly #options: LateRaftOptions;
  #raft: Raft | null = null;
  #search: { readonly waitsFor: string; stop(): void } | null = null;
  #listeners: Parameters<Raft["onEvent"]>[0][] = [];
  #channels: [number, Parameters<Raft["onChannel"]>[1]][] = [];
  #stopped = false;

  constructor(options: LateRaftOptions) {
    this.#options = options;
  }

  get id(): NodeId {
    return this.#raft?.id ?? this.#options.id;
  }

  start(): void {
    this.#search = this.#options.begin((raft) => {
      if (this.#stopped) return;
      this.#search = null;
      this.#raft = raft;
      for (const listener of this.#listeners) raft.onEvent(listener);
      for (const [channel, handler] of this.#channels) raft.onChannel(channel, handler);
      raft.start();
    });
    if (this.#raft) this.#search = null;
  }

  stop(): void {
    this.#stopped = true;
    this.#search?.stop();
    this.#raft?.stop();
  }

  propose(...[command, done, options]: Parameters<Raft["propose"]>): void {
    if (this.#raft) this.#raft.propose(command, done, options);
    else done({ kind: "rejected", reason: this.#reason });
  }

  read(done: Parameters<Raft["read"]>[0]): void {
    if (this.#raft) this.#raft.read(done);
    else done({ kind: "rejected", reason: this.#reason });
  }

  transferLeadership(...[to, done]: Parameters<Raft["transferLeadership"]>): void {
    if (this.#raft) this.#raft.transferLeadership(to, done);
    else done(this.#reason);
  }

  addMember(...[member, done]: Parameters<Raft["addMember"]>): void {
    if (this.#raft) this.#raft.addMember(member, done);
    else done({ kind: "rejected", reason: this.#reason });
  }

  removeMember(...[id, done]: Parameters<Raft["removeMember"]>): void {
    if (this.#raft) this.#raft.removeMember(id, done);
    else done({ kind: "rejected", reason: this.#reason });
  }

  replaceMember(...[id, member, done]: Parameters<Raft["replaceMember"]>): void {
    if (this.#raft) this.#raft.replaceMember(id, member, done);
    else done({ kind: "rejected", reason: this.#reason });
  }

  takeSnapshot(...[done]: Parameters<Raft["takeSnapshot"]>): void {
    if (this.#raft) this.#raft.takeSnapshot(done);
    else done({ kind: "rejected", reason: this.#reason });
  }

  send(to: NodeId, channel: number, bytes: Uint8Array): void {
    this.#raft?.send(to, channel, bytes);
  }

  onChannel(...[channel, handler]: Parameters<Raft["onChannel"]>): void {
    this.#channels.push([channel, handler]);
    this.#raft?.onChannel(channel, handler);
  }

  onEvent(handler: Parameters<Raft["onEvent"]>[0]): void {
    this.#listeners.push(handler);
    this.#raft?.onEvent(handler);
  }

  leadsWithOwnTerm(): boolean {
    return this.#raft?.leadsWithOwnTerm() ?? false;
  }

  status(): RaftStatus {
    if (this.#raft) return this.#raft.status();
    const { id, members } = this.#options;
    return {
      id,
      term: 0,
      role: "follower",
      leader: null,
      commit: 0,
      applied: 0,
      lastIndex: 0,
      snapshotIndex: 0,
      members: members.map((member) => ({
        ...member,
        voter: true,
        connected: member.id === id,
        diskHangs: false,
        match: null,
        lastContactMs: member.id === id ? 0 : null,
        rttMs: null,
      })),
      canLose: null,
      shortOfSpace: null,
      agreedVersion: 0,
      notVoting: this.#reason,
    };
  }

  get #reason(): string {
    return this.#search?.waitsFor ?? "it has not been started";
  }
}
