/**
 * Operators of a simulated group: they add, remove and replace members, whatever state the group is in, and
 * replace those that have lost their directory.
 */
import type { NodeId } from "../core/types.ts";
import type { AddOutcome } from "../node/api.ts";
import type { MemberInfo } from "../node/raft_options.ts";
import { drawDisk } from "./faults.ts";
import type { Lives, SimNode } from "./lives.ts";
import type { Prng } from "./prng.ts";
import type { World } from "./world.ts";

/** Largest number of members, not counting removed ones. */
const MAX_MEMBERS = 7;
/** Interval of looks at a recovered cluster that is to become one of three. */
const GROW_MS = 500;
/** Interval of requests to replace a member. */
const REPLACE_AGAIN_MS = 4000;

export class MembershipOperators {
  /** Number of members added and removed. */
  changes = 0;
  /** Whether members come and go: then a lost directory may be one too many. */
  active = false;
  #calm = false;

  readonly #world: World;
  readonly #random: Prng;
  readonly #lives: Lives;

  constructor(world: World, random: Prng, lives: Lives) {
    this.#world = world;
    this.#random = random;
    this.#lives = lives;
  }

  /** Ends all changes except repairs. */
  calm(): void {
    this.#calm = true;
  }

  /** Adds, removes and replaces members, on any node, whatever state the group is in. */
  start(gapMeanMs: number): void {
    this.#world.after(this.#random.exponential(gapMeanMs), () => {
      if (this.#calm) return;
      this.start(gapMeanMs);
      this.#change();
    });
  }

  #change(): void {
    const random = this.#random;
    const world = this.#world;
    const { nodes, hosts } = this.#lives;
    const { raft, process } = random.pick(nodes);
    const members = nodes.filter(({ gone }) => !gone);
    if (raft === null || process.isPaused) return;
    world.ran.add(process);
    const fresh = { addr: `new${this.changes}-${hosts}:1`, name: null, votes: random.chance(0.8) };
    const victim = random.pick(members).id;
    const choice = random.unit();
    if (choice < 0.4 && members.length < MAX_MEMBERS) raft.addMember(fresh, this.#added);
    else if (choice < 0.55 && members.length < MAX_MEMBERS) raft.replaceMember(victim, fresh, this.#added);
    else if (members.length > 2) {
      raft.removeMember(victim, (outcome) => {
        if (outcome.kind !== "done") return;
        this.changes++;
        world.log.add("operator", `removed ${victim}`);
      });
    }
  }

  readonly #added = (outcome: AddOutcome): void => {
    if (outcome.kind === "done") this.#join(outcome.id, outcome.members);
  };

  #join(id: NodeId, members: readonly MemberInfo[]): void {
    const random = this.#random;
    const world = this.#world;
    const lives = this.#lives;
    if (lives.nodes.some((node) => node.id === id)) return;
    this.changes++;
    const node = lives.join(id, members);
    world.log.add("operator", `added ${id} as ${node.process.name}`);
    if (!this.#calm) drawDisk(random, node.disk.settings);
    world.after(random.between(0, 2000), () => lives.start(node));
  }

  /** Makes a recovered cluster one of three again. */
  grow(): void {
    const { nodes } = this.#lives;
    this.#world.after(GROW_MS, () => {
      if (nodes.length >= 3) return;
      const leader = nodes.find(({ raft }) => raft?.leadsWithOwnTerm());
      leader?.raft?.addMember({ addr: `r${this.#lives.hosts + 1}:1`, name: null }, this.#added);
      this.grow();
    });
  }

  /** Replaces a member that has lost its directory: asks again and again, until it is out. */
  replace(node: SimNode): void {
    const world = this.#world;
    const lives = this.#lives;
    const { nodes } = lives;
    const leader = lives.newestLeader()?.raft;
    if (leader && !leader.status().members.some(({ id }) => id === node.id)) {
      node.emptied = false;
      node.gone = true;
      // The operator who replaced the member switches it off: it and the next emptied founder would be two.
      node.lost = true;
      lives.kill(node, false);
      return;
    }
    // The leader that was asked may die and never answer. An answer does not remove the member yet: that
    // happens when the other one votes.
    world.after(REPLACE_AGAIN_MS, () => this.replace(node));
    if (!leader) return;
    // This member was added, but the operator who asked for it was never told: nobody starts it.
    const stray = leader.status().members.find((member) => !nodes.some(({ id }) => id === member.id));
    if (stray) return leader.removeMember(stray.id, () => {});
    world.ran.add(nodes.find(({ raft }) => raft === leader)!.process);
    const fresh = { addr: `instead${this.changes}-${lives.hosts}:1`, name: null };
    leader.replaceMember(node.id, fresh, this.#added);
  }

  /**
   * Whether a node may lose its directory: it is the only one, and without it a majority of voters knows the
   * configuration.
   */
  maySpare(node: SimNode): boolean {
    const { nodes } = this.#lives;
    const votersOf = ({ raft }: SimNode) =>
      raft?.status().members.filter(({ voter }) => voter).map(({ id }) => id).join(" ") ?? "";
    const leader = nodes.find(({ raft }) => raft?.leadsWithOwnTerm());
    if (leader === undefined || node.gone) return false;
    const voters = votersOf(leader);
    const count = voters.split(" ").length;
    const others = nodes.filter((other) => other !== node && votersOf(other) === voters);
    // A pending removal may take away one more.
    if (count < (this.active ? 4 : 3) || others.length * 2 <= count) return false;
    // A node that has never taken part may found a cluster: it and an emptied one would be two of three.
    return !nodes.some(({ emptied, gone, disk }) =>
      emptied || disk.isRotten || (!gone && disk.durable.hardState.term === 0)
    );
  }
}
