/**
 * Plays stories: texts of commands with what they print, for a few servers of the core and a network that
 * does only what it is told (story_text.ts has the form, stories/ the texts). A story that prints something
 * other than its text is a failed test; the difference shows the first step at which the protocol went
 * another way. Pure.
 *
 * Ids name servers. Where a command takes several ids and none is given, it means all servers.
 *
 *     add-nodes COUNT [voters=(1,2,3)] [learners=(4)] [index=N] [log=(1,1,2)] [term=N] [vote=ID] [commit=N]
 *               [prevote=off] [checkquorum=off] [async] [max-inflight=N] [max-inflight-bytes=N]
 *               [max-message-bytes=N] [max-committed-size-per-ready=N] [election-ticks=N] [heartbeat-ticks=N]
 *     campaign ID                        tick-heartbeat ID              tick-election ID
 *     set-randomized-election-timeout ID timeout=N
 *     propose ID COMMAND...              propose-conf-change ID add-learner|promote|remove MEMBER
 *     read-index ID                      transfer-leadership from=ID to=ID
 *     process-ready [ID...]              process-append ID...           process-apply ID...
 *     deliver-msgs [ID...] [drop=(FROM,...)] [type=(append,...)] [count=N]
 *     stabilize [ID...]                  messages
 *     record-msgs TYPE...                replay-msgs                    what was recorded comes again
 *     cut A B                            cut-one-way FROM TO            heal
 *     raft-log [ID...]                   raft-state [ID...]             status ID
 *     state-machine [ID...]              durable [ID...]                compact ID INDEX
 *     restart [ID...]
 *     send-snapshot FROM TO              report-unreachable ID MEMBER   report-snapshot ID MEMBER ok|failed|progress
 *     log-level all|none                 whether what follows is printed
 */
import { InvariantError } from "../assert.ts";
import type { ConfigChange } from "../configuration.ts";
import { makeConfiguration } from "../configuration.ts";
import { makeMessage } from "../message.ts";
import {
  describeEntry,
  describeMessage,
  describeProgress,
  describeServer,
  describeSnapshot,
} from "./story_describe.ts";
import { parseStory, renderStory, type StoryCommand, StoryError } from "./story_text.ts";
import { StoryWorld } from "./story_world.ts";
import { bytesOf, entriesOf, storedLog, type TestOptions } from "../testing.ts";
import type { MessageType, NodeId } from "../types.ts";

/** Plays a story; the result is equal to `text` when it prints what was written. Throws StoryError. */
export function playStory(text: string): string {
  const player = new Player();
  return renderStory(parseStory(text), (commands) => commands.flatMap((command) => player.play(command)));
}

/** Arguments of a command, read in order. */
class Arguments {
  readonly #command: StoryCommand;
  readonly #words: string[];

  constructor(command: StoryCommand) {
    this.#command = command;
    this.#words = [...command.words];
  }

  word(): string {
    const word = this.#words.shift();
    if (word === undefined) throw new StoryError("an argument is missing");
    return word;
  }

  number(): number {
    return numberOf(this.word());
  }

  rest(): string[] {
    return this.#words.splice(0);
  }

  ids(all: readonly NodeId[]): readonly NodeId[] {
    const words = this.rest();
    return words.length === 0 ? all : words.map(numberOf);
  }

  flag(name: string): boolean {
    const at = this.#words.indexOf(name);
    if (at !== -1) this.#words.splice(at, 1);
    return at !== -1;
  }

  list(name: string): number[] | undefined {
    return this.#command.options.get(name)?.map(numberOf);
  }

  texts(name: string): readonly string[] | undefined {
    return this.#command.options.get(name);
  }

  option(name: string): number | undefined {
    return this.list(name)?.[0];
  }

  isOff(name: string): boolean {
    return this.#command.options.get(name)?.[0] === "off";
  }

  end(): void {
    if (this.#words.length > 0) throw new StoryError(`not understood: ${this.#words.join(" ")}`);
  }
}

function numberOf(word: string): number {
  const number = Number(word);
  if (!Number.isSafeInteger(number)) throw new StoryError(`${word} is no number`);
  return number;
}

class Player {
  readonly #world = new StoryWorld();
  #silent = false;

  play(command: StoryCommand): string[] {
    const act = this.#acts[command.name];
    try {
      if (act === undefined) throw new StoryError("there is no such command");
      const args = new Arguments(command);
      const lines = act(args) ?? [];
      args.end();
      return this.#silent ? [] : lines;
    } catch (error) {
      if (error instanceof InvariantError) return [`broken invariant: ${error.message}`];
      if (!(error instanceof StoryError)) throw error;
      throw new StoryError(`line ${command.line}, ${command.name}: ${error.message}`);
    }
  }

  readonly #acts: Readonly<Record<string, (args: Arguments) => string[] | void>> = {
    "log-level": (args) => void (this.#silent = args.word() === "none"),
    "add-nodes": (args) => this.#addNodes(args),
    restart: (args) => args.ids(this.#world.ids).forEach((id) => this.#world.restart(id)),

    campaign: (args) => this.#world.node(args.number()).campaign(),
    "tick-heartbeat": (args) => this.#world.node(args.number()).tick(),
    "tick-election": (args) => {
      const id = args.number();
      for (let tick = 0; tick < this.#world.electionTicks(id); tick++) this.#world.node(id).tick();
    },
    "set-randomized-election-timeout": (args) => {
      const id = args.number();
      const ticks = args.option("timeout") ?? this.#world.electionTicks(id);
      this.#world.node(id).setRandomizedElectionTimeout(ticks);
    },

    propose: (args) => {
      const node = this.#world.node(args.number());
      return args.rest().flatMap((command) => refusal(node.propose(bytesOf(command))));
    },
    "propose-conf-change": (args) => {
      const node = this.#world.node(args.number());
      const kind = CHANGES[args.word()];
      if (kind === undefined) throw new StoryError("a change is add-learner, promote or remove");
      return refusal(node.proposeConfig({ kind, id: args.number() }));
    },
    "read-index": (args) => {
      const result = this.#world.node(args.number()).readIndex();
      return result.kind === "pending" ? [`token ${result.token}`] : refusal(result);
    },
    "transfer-leadership": (args) => {
      const node = this.#world.node(args.option("from") ?? 0);
      return refusal(node.transferLeader(args.option("to") ?? 0));
    },

    "process-ready": (args) => args.ids(this.#world.ids).flatMap((id) => this.#world.processReady(id)),
    "process-append": (args) => args.ids([]).flatMap((id) => this.#world.processAppend(id)),
    "process-apply": (args) => args.ids([]).flatMap((id) => this.#world.processApply(id)),
    stabilize: (args) => this.#world.stabilize(args.ids(this.#world.ids)),

    "deliver-msgs": (args) => {
      const delivery = {
        drop: args.list("drop"),
        types: args.texts("type") as readonly MessageType[] | undefined,
        count: args.option("count"),
      };
      return args.ids(this.#world.ids).flatMap((id) => this.#world.deliver(id, delivery));
    },
    "record-msgs": (args) => this.#world.record(args.rest() as MessageType[]),
    "replay-msgs": () => this.#world.replay(),
    messages: () => this.#world.waiting.map(describeMessage),
    cut: (args) => this.#world.cut(args.number(), args.number()),
    "cut-one-way": (args) => this.#world.cutOneWay(args.number(), args.number()),
    heal: () => this.#world.heal(),
    "send-snapshot": (args) => {
      const [from, to] = [args.number(), args.number()];
      const { snapshot } = this.#world.log(from);
      const { term } = this.#world.node(from);
      this.#world.send(makeMessage({ type: "snapshot", from, to, term, snapshot }));
    },
    "report-unreachable": (args) => this.#world.node(args.number()).reportUnreachable(args.number()),
    "report-snapshot": (args) => {
      const [node, member, what] = [this.#world.node(args.number()), args.number(), args.word()];
      if (what === "progress") node.reportSnapshotProgress(member);
      else node.reportSnapshot(member, what === "ok");
    },

    "raft-log": (args) => args.ids(this.#world.ids).flatMap((id) => this.#log(id)),
    "raft-state": (args) =>
      args.ids(this.#world.ids).map((id) => describeServer(this.#world.node(id).status())),
    "state-machine": (args) =>
      args.ids(this.#world.ids).map((id) => `${id}: ${this.#world.commands(id).join(" ") || "nothing"}`),
    durable: (args) =>
      args.ids(this.#world.ids).map((id) => `${id}: durable up to ${this.#world.node(id).status().stable}`),
    status: (args) => this.#world.node(args.number()).status().progress.map(describeProgress),
    compact: (args) => this.#world.compact(args.number(), args.number()),
  };

  #addNodes(args: Arguments): string[] {
    const asyncStorage = args.flag("async");
    const voters = args.list("voters") ?? [];
    const options: TestOptions = {
      electionTicks: args.option("election-ticks"),
      heartbeatTicks: args.option("heartbeat-ticks"),
      random: () => 0,
      storage: storedOf(args, voters),
      preVote: !args.isOff("prevote"),
      checkQuorum: !args.isOff("checkquorum"),
      asyncStorage,
      maxInflight: args.option("max-inflight"),
      maxInflightBytes: args.option("max-inflight-bytes"),
      maxMessageBytes: args.option("max-message-bytes"),
      maxCommittedSizePerReady: args.option("max-committed-size-per-ready"),
    };
    return Array.from({ length: args.number() }, () => {
      const id = this.#world.add(options, voters);
      return describeServer(this.#world.node(id).status());
    });
  }

  #log(id: NodeId): string[] {
    const { snapshot, entries } = this.#world.log(id);
    const first = snapshot === null ? [] : [`snapshot ${describeSnapshot(snapshot)}`];
    return [`${id}: ${[...first, ...entries.map(describeEntry)].join(", ") || "empty"}`];
  }
}

const CHANGES: Readonly<Record<string, ConfigChange["kind"]>> = {
  "add-learner": "addLearner",
  promote: "promote",
  remove: "remove",
};

/**
 * Makes a log that begins at a snapshot when `index` or `learners` say so, and goes on with entries of the
 * terms in `log`.
 */
function storedOf(args: Arguments, voters: readonly NodeId[]) {
  const learners = args.list("learners") ?? [];
  const base = args.option("index") ?? (learners.length > 0 ? 1 : 0);
  const terms = args.list("log") ?? [];
  const snapshot = base === 0 ? null : {
    index: base,
    term: 1,
    configuration: makeConfiguration(voters, learners),
    data: bytesOf(""),
  };
  const hardState = {
    term: args.option("term") ?? terms.at(-1) ?? (base === 0 ? 0 : 1),
    vote: args.option("vote") ?? 0,
    commit: args.option("commit") ?? base,
  };
  const entries = entriesOf(terms, base + 1).map((entry) => ({ ...entry, data: bytesOf("old") }));
  return storedLog({ hardState, snapshot, entries, empty: hardState.term === 0 });
}

function refusal(result: { readonly kind: string; readonly reason?: string }): string[] {
  return result.kind === "dropped" ? [`refused: ${result.reason}`] : [];
}
