/**
 * Decides what a node with an empty directory should become, from the answers of the nodes it was told of.
 * Pure.
 *
 * The node founds in two cases only: another node without a log names the very same first members; or the
 * cluster's log knows it as one of the first members that has never taken part. The rules of admission.ts
 * come after that and decide whether it may vote. In every other case the leader of the running cluster makes
 * it a member, with an id of its own.
 */
import type { VisitAnswer } from "./visit_messages.ts";

export interface SearchOptions {
  /** Id of the cluster that this node's configuration would found. */
  readonly founded: number;
  /** This node's address; null: it is to be a member without a vote and without an address. */
  readonly selfAddr: string | null;
  /** Addresses of the other nodes. */
  readonly partners: readonly string[];
}

export type SearchVerdict =
  | { readonly kind: "found" }
  | { readonly kind: "join"; readonly leaderAddr: string }
  | { readonly kind: "wait"; readonly reason: string };

type Heard =
  | { readonly kind: "answer"; readonly answer: VisitAnswer }
  | { readonly kind: "failed"; readonly reason: string };

export class ClusterSearch {
  readonly #options: SearchOptions;
  /** Last answer of each node. */
  #heard = new Map<string, Heard>();

  constructor(options: SearchOptions) {
    this.#options = options;
  }

  answered(addr: string, answer: VisitAnswer): void {
    this.#heard.set(addr, { kind: "answer", answer });
  }

  failed(addr: string, reason: string): void {
    this.#heard.set(addr, { kind: "failed", reason });
  }

  /**
   * Decides from the answers so far. `patient`: the search is young, and founding waits for an answer of
   * every node. One of them may know a cluster that another, whose directory is empty as well, does not know.
   */
  verdict(patient = false): SearchVerdict {
    const { partners, selfAddr, founded } = this.#options;
    if (partners.length === 0) return { kind: "found" };
    const answers = [...this.#heard].flatMap(([addr, heard]) =>
      heard.kind === "answer" ? [{ addr, answer: heard.answer }] : []
    );
    const members = answers.flatMap(({ addr, answer }) =>
      answer.kind === "member" ? [{ addr, ...answer }] : []
    );
    const [first] = members;
    if (first) {
      const other = members.find(({ clusterId }) => clusterId !== first.clusterId);
      if (other) {
        return wait(
          `${first.addr} and ${other.addr} belong to different clusters (after a recovery from a lost majority, the ` +
            "old members have to be emptied): correct raft.partner_addrs, or empty the raft directory of the old one",
        );
      }
      // A member that lags behind may not know yet that the place was used.
      const used = members.some(({ seat }) => seat === "used");
      if (!used && members.some(({ seat }) => seat === "founder")) {
        if (first.founded === founded) return this.#found(patient);
        return wait(
          `the cluster at ${first.addr} was founded with ${selfAddr}, but with other first members than ` +
            `raft.self_addr and raft.partner_addrs name here (${this.#ownList}): make the lists the same on all nodes`,
        );
      }
      const leaderAddr = members.find((member) => member.leaderAddr !== null)?.leaderAddr ?? null;
      if (leaderAddr !== null) return { kind: "join", leaderAddr };
      return wait(`the cluster at ${first.addr} has no leader at the moment`);
    }
    const founding = answers.flatMap(({ addr, answer }) =>
      answer.kind === "founding" ? [{ addr, ...answer }] : []
    );
    if (selfAddr !== null && founding.some((one) => one.founded === founded)) {
      return this.#found(patient);
    }
    const [stranger] = founding;
    if (stranger) {
      const list = stranger.addresses.join(", ");
      return wait(
        selfAddr !== null && stranger.addresses.includes(selfAddr)
          ? `${stranger.addr} is about to found the cluster with ${list}; here raft.self_addr and raft.partner_addrs ` +
            `name ${this.#ownList}: make the lists the same on all nodes`
          : `${stranger.addr} is about to found the cluster with ${list}: this node will join it then`,
      );
    }
    const reasons = partners.map((addr) => `${addr}: ${this.#wordOf(addr)}`).join("; ");
    return wait(`no other node of raft.partner_addrs has said yet whether the cluster exists (${reasons})`);
  }

  #found(patient: boolean): SearchVerdict {
    const silent = this.#options.partners.filter((addr) => !this.#heard.has(addr));
    return !patient || silent.length === 0
      ? { kind: "found" }
      : wait(`no answer from ${silent.join(", ")} yet`);
  }

  get #ownList(): string {
    const { partners, selfAddr } = this.#options;
    return [...(selfAddr === null ? [] : [selfAddr]), ...partners].sort().join(", ");
  }

  #wordOf(addr: string): string {
    const heard = this.#heard.get(addr);
    if (!heard) return "no answer yet";
    if (heard.kind === "failed") return heard.reason;
    return heard.answer.kind === "refused" ? heard.answer.reason : heard.answer.kind;
  }
}

function wait(reason: string): SearchVerdict {
  return { kind: "wait", reason };
}
