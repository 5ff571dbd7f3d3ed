/**
 * The parts of a node and how they are joined. Each part knows only what its options name; everything that
 * one asks of another, or of the node, is wired here. Decides nothing.
 */
import type { RawNode } from "../core/raw_node.ts";
import { type Entry, type Index, type NodeId, NONE, type Term } from "../core/types.ts";
import { AdmissionChannel } from "./admission_channel.ts";
import type { RaftEvent } from "./api.ts";
import { Contacts } from "./contacts.ts";
import { CoreDriver } from "./core_driver.ts";
import { encodeEnvelope } from "./envelope.ts";
import { Inbox } from "./inbox.ts";
import { Membership } from "./membership.ts";
import { Pace } from "./pace.ts";
import type { StoredLog } from "./ports.ts";
import { Proposals } from "./proposals.ts";
import type { MemberInfo, ResolvedOptions } from "./raft_options.ts";
import { Reads } from "./reads.ts";
import { Registrar } from "./registrar.ts";
import { type Applied, ReplicatedState } from "./replicated_state.ts";
import { RoundTrips } from "./round_trips.ts";
import { SnapshotTransfers } from "./snapshot_transfers.ts";
import { StateEvents } from "./state_events.ts";
import { StepAside } from "./step_aside.ts";
import { TakingPart } from "./taking_part.ts";
import { Transfer } from "./transfer.ts";
import { Versions } from "./versions.ts";
import { Visits } from "./visits.ts";

/** The node, as its parts use it. */
export interface NodePort {
  /** Driver of the core; null before this member takes part. */
  readonly driver: () => CoreDriver | null;
  /** See Raft. */
  readonly leadsWithOwnTerm: () => boolean;
  readonly turn: (work: () => void) => void;
  /** Runs later, outside of the core. */
  readonly later: (run: () => void) => void;
  readonly tick: (ticks: number) => void;
  readonly emit: (event: RaftEvent) => void;
  /** This member takes part from now on, with this log; `founding`: of a group that has none yet. */
  readonly begin: (stored: StoredLog, founding: boolean) => void;
  readonly onApplied: (entry: Entry, applied: Applied) => void;
  readonly onRestored: (index: Index) => void;
  /** This member was removed from the cluster. */
  readonly leave: () => void;
  readonly fail: (error: Error) => void;
}

export class Components {
  readonly contacts: Contacts;
  readonly roundTrips: RoundTrips;
  readonly pace: Pace;
  readonly takingPart: TakingPart;
  readonly state: ReplicatedState;
  readonly reads: Reads;
  readonly transfer: Transfer;
  readonly proposals: Proposals;
  readonly stepAside: StepAside;
  readonly snapshots: SnapshotTransfers;
  readonly registrar: Registrar;
  readonly versions: Versions;
  readonly membership: Membership;
  readonly visits: Visits;
  readonly admissions: AdmissionChannel;
  readonly inbox: Inbox;
  readonly stateEvents: StateEvents;
  readonly #options: ResolvedOptions;
  readonly #node: NodePort;
  readonly #core = (): RawNode | null => this.#node.driver()?.core ?? null;
  readonly #nameOf = (id: NodeId): string => this.infoOf(id).name ?? String(id);

  constructor(options: ResolvedOptions, node: NodePort) {
    this.#options = options;
    this.#node = node;
    const { clock, stateMachine } = options;
    this.contacts = new Contacts({ now: () => clock.now(), electionMaxMs: options.electionMaxMs });
    this.roundTrips = new RoundTrips(() => clock.now());
    this.pace = new Pace({
      ...options,
      restTicks: () => this.#core()?.restTicks ?? 1,
      wake: (ticks) => node.turn(() => node.tick(ticks)),
    });
    this.takingPart = new TakingPart({
      ...options,
      tell: (to, message) => this.admissions.tell(to, message),
      nameOf: this.#nameOf,
      begin: node.begin,
      fail: node.fail,
      turn: node.turn,
    });
    this.state = new ReplicatedState(stateMachine, options.commandVersion);
    this.reads = new Reads(node.later);
    this.transfer = new Transfer(node.later);
    this.proposals = this.#newProposals();
    this.stepAside = new StepAside({ ...options, driver: node.driver });
    this.snapshots = this.#newSnapshots();
    this.registrar = this.#newRegistrar();
    this.versions = this.#newVersions();
    this.membership = this.#newMembership();
    this.visits = this.#newVisits();
    this.admissions = this.#newAdmissions();
    this.inbox = this.#newInbox();
    this.stateEvents = this.#newStateEvents();
  }

  infoOf(id: NodeId): MemberInfo {
    return this.membership.infoOf(id) ?? { id, name: null, addr: "" };
  }

  /** The current term while this node leads, else null. */
  leadingTerm(): Term | null {
    const core = this.#core();
    return core?.role === "leader" ? core.term : null;
  }

  /** Begins to drive a core with what the log holds. Throws what isUnreadable tells (upgrade_needed.ts). */
  newDriver(stored: StoredLog): CoreDriver {
    const { members, join, storage, transport, random, tickMs, broken, snapshotEveryEntries, keepEntries } =
      this.#options;
    const { turn, onApplied, onRestored, fail } = this.#node;
    const ticks = (ms: number) => Math.max(1, Math.round(ms / tickMs));
    return new CoreDriver({
      core: {
        id: this.#options.id,
        storage: stored,
        initialVoters: join ? [] : members.map((member) => member.id),
        electionTicks: ticks(this.#options.electionMinMs),
        electionTicksMax: ticks(this.#options.electionMaxMs),
        heartbeatTicks: ticks(this.#options.heartbeatMs),
        quietHeartbeats: true,
        random,
        // With a disk that hangs no vote could become durable.
        mayVote: () => !this.stepAside.diskHangs,
        broken,
      },
      storage,
      transport,
      state: this.state,
      snapshotEveryEntries,
      keepEntries,
      broken,
      turn,
      soon: (work) => this.#options.clock.soon(() => turn(work)),
      onHeartbeat: (to, round) => this.roundTrips.asked(to, round),
      sendPieces: (message, snapshot) => this.snapshots.send(message, snapshot),
      onApplied,
      onRestored,
      onReadStates: (states) => this.reads.confirmed(states),
      onFailure: fail,
    });
  }

  #newProposals(): Proposals {
    const { id, clock, random } = this.#options;
    return new Proposals({
      origin: id,
      incarnation: Math.floor(random() * 2 ** 48),
      now: () => clock.now(),
      propose: (data) => this.#core()?.propose(data) ?? { kind: "dropped", reason: "noLeader" },
      proposeAll: (data) => this.#core()?.proposeAll(data) ?? { kind: "dropped", reason: "noLeader" },
      busy: () => this.#core()?.role === "leader" && (this.#node.driver()?.isWriting ?? false),
      leadingTerm: () => this.leadingTerm(),
      later: this.#node.later,
    });
  }

  #newSnapshots(): SnapshotTransfers {
    return new SnapshotTransfers({
      ...this.#options,
      driver: this.#node.driver,
      step: (message) => this.inbox.step(message),
      isRemoved: (id) => this.membership.turnAway(id),
      nameOf: this.#nameOf,
    });
  }

  #newRegistrar(): Registrar {
    const { id, instance } = this.#options;
    return new Registrar({
      id,
      instance,
      sessions: this.state.sessions,
      propose: (member, directory) =>
        void this.#core()?.propose(encodeEnvelope({ kind: "joined", member, instance: directory })),
    });
  }

  #newVersions(): Versions {
    const { id, commandVersion } = this.#options;
    return new Versions({
      id,
      own: commandVersion,
      sessions: this.state.sessions,
      configuration: () => this.#core()?.configuration ?? null,
      nameOf: this.#nameOf,
      propose: (version) => void this.#core()?.propose(encodeEnvelope({ kind: "version", version })),
    });
  }

  #newMembership(): Membership {
    return new Membership({
      ...this.#options,
      records: this.state.members,
      core: this.#core,
      contacts: this.contacts,
      leads: this.#node.leadsWithOwnTerm,
      tellRemoved: (id) => this.admissions.tell(id, { kind: "removed" }),
      later: this.#node.later,
    });
  }

  #newVisits(): Visits {
    const { members } = this.#options;
    return new Visits({
      ...this.#options,
      addresses: members.map(({ addr }) => addr),
      core: this.#core,
      leads: this.#node.leadsWithOwnTerm,
      knowsLog: () => this.takingPart.knowsLog,
      contacts: this.contacts,
      infoOf: (id) => this.infoOf(id),
      records: this.state.members,
      sessions: this.state.sessions,
      add: (member, replaces, done) => this.membership.add(member, replaces, done),
      members: () => this.membership.all(),
    });
  }

  #newAdmissions(): AdmissionChannel {
    return new AdmissionChannel({
      ...this.#options,
      core: this.#core,
      leads: this.#node.leadsWithOwnTerm,
      takingPart: this.takingPart,
      registrar: this.registrar,
      versions: this.versions,
      snapshots: this.snapshots,
      removed: this.#node.leave,
    });
  }

  #newInbox(): Inbox {
    return new Inbox({
      ...this.#options,
      core: this.#core,
      state: this.state,
      contacts: this.contacts,
      roundTrips: this.roundTrips,
      registrar: this.registrar,
      stepAside: this.stepAside,
      membership: this.membership,
      snapshots: this.snapshots,
      admissions: this.admissions,
      nameOf: this.#nameOf,
      later: this.#node.later,
    });
  }

  #newStateEvents(): StateEvents {
    return new StateEvents({
      ...this.#options,
      nameOf: this.#nameOf,
      emit: this.#node.emit,
      leading: () => this.registrar.leading(),
      leaderChanged: () => {
        this.proposals.leaderChanged();
        this.membership.leaderChanged();
        this.#greetLeader();
      },
    });
  }

  /**
   * A greeting that was lost must not be lost for good: a leader that does not know what a member knows would
   * keep the whole group from later commands.
   */
  #greetLeader(): void {
    const leader = this.#core()?.leader ?? NONE;
    if (this.contacts.connected.has(leader)) this.admissions.greet(leader);
  }
}
