/**
 * No sequence of commands, valid or random, ends a member, or makes two members differ; nor does anything
 * throw that is made from the records.
 */
import { expect } from "bun:test";
import { printMembers } from "../../cli/ctl/members_table.ts";
import { createApp } from "../api/app.ts";
import { clusterJson } from "../api/cluster.ts";
import { dcsKey } from "../api/dcs_keys.ts";
import { StubPort } from "../api/testing.ts";
import { linkEvents } from "../brain/cluster/event_causes.ts";
import { coordinate } from "../brain/cluster/coordinate.ts";
import { keep } from "../brain/keep/rules.ts";
import { node, primaryStatus, seen, status, succession } from "../brain/testing.ts";
import { effectiveDynamic, effectivePostgresqlSection } from "../config/dynamic.ts";
import { MINIMAL, parsedConfig } from "../config/testing.ts";
import { validateDynamic } from "../config/dynamic_validate.ts";
import { applyPatch } from "../model/merge.ts";
import { seededRandom } from "../../raft/core/seeded_random.ts";
import { borderTest, ODD_KEYS } from "../../raft/testing.ts";
import { NOTED_EVENTS } from "../model/event.ts";
import type { DcsState } from "../model/records.ts";
import {
  COMMAND_VERSION,
  type CommandBody,
  commandRefusal,
  COMMANDS,
  commandVersion,
  encodeCommand,
} from "./commands.ts";
import type { Life } from "../model/life.ts";
import { recoveredState } from "./recovered.ts";
import { DcsStateMachine } from "./state_machine.ts";

const SEQUENCE = 300;
/** Inputs. */
const USUAL = 15_000;

const LIFE = { node: 1, machine: "m", boot: "b" };

class Garbage {
  readonly #random: () => number;
  readonly #fitting: boolean;

  /**
   * `fitting`: names, lives and texts are those of one cluster, so that many commands take effect, and the
   * records get as far as they can; the garbage is in the bytes then.
   */
  constructor(random: () => number, fitting: boolean) {
    this.#random = random;
    this.#fitting = fitting;
  }

  below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  of<T>(...values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  name(): string {
    if (this.#fitting) return this.of("a", "b");
    return this.of(
      "a",
      "b",
      "c",
      "a",
      "b",
      ...ODD_KEYS,
      "",
      "x".repeat(300),
      "\ud800",
      "ä\n",
    );
  }

  number(): number {
    return this.of(0, 1, 2, 3, this.below(5), -1, 0.5, 1e300, 2 ** 53, NaN, 5000, Number.MAX_SAFE_INTEGER);
  }

  text(): string {
    if (this.#fitting) return "http://h:1";
    return this.of(
      "",
      "why",
      "2026-01-31T12:00:00+00:00",
      "http://h:1",
      "h:70000",
      "\u0000",
      "y".repeat(3000),
      "[",
      "__proto__",
    );
  }

  json(depth = 0): unknown {
    switch (this.below(depth > 3 ? 4 : 7)) {
      case 0:
        return this.number();
      case 1:
        return this.text();
      case 2:
        return this.of(true, false, null);
      case 3:
        return this.name();
      case 4:
        return Array.from({ length: this.below(4) }, () => this.json(depth + 1));
      case 5:
        return JSON.parse("[".repeat(200) + "]".repeat(200));
      default:
        return Object.fromEntries(
          Array.from({ length: this.below(4) }, () => [
            this.of(
              "ttl",
              "pause",
              "postgresql",
              "parameters",
              "slots",
              "kind",
              "synchronous_mode",
              "type",
              "wal_level",
              this.name(),
            ),
            this.json(depth + 1),
          ]),
        );
    }
  }

  /** As some member might propose it. */
  body(state: DcsState): CommandBody {
    const { epoch, holder } = state.lock;
    const name = this.name();
    const life = this.#fitting ? LIFE : this.of(undefined, LIFE, state.lock.life ?? LIFE, {
      node: this.number(),
      machine: this.text(),
      boot: "b",
    });
    const known = this.of(name, ...Object.keys(state.members));
    const bodies: CommandBody[] = [
      { op: "claimInitialize", incarnation: this.below(2) },
      { op: "completeInitialize", incarnation: this.below(2), systemId: "7" },
      { op: "clearInitialize", of: name, incarnation: this.below(2) },
      { op: "setConfig", value: this.json() as never, expectRevision: state.config?.revision ?? null },
      {
        op: "grant",
        epoch: epoch + 1,
        holder: name,
        life,
        reason: this.text(),
        complete: true,
        ...this.of<object>({}, {}, {
          sync: {
            by: this.of("holder", "holder", "clean", "votes", "operator"),
            votes: this.of([], ["a", "b"], [name]),
            ...this.of({}, { token: "t" }),
          },
        }),
      },
      { op: "expire", epoch, reason: this.text(), forced: this.of(true, false) },
      {
        op: "release",
        epoch,
        life,
        reason: this.text(),
        lsn: this.of(null, this.number()),
        timeline: this.number(),
      },
      { op: "setUnfenced", epoch, life, unfenced: this.of(true, false) },
      {
        op: "setUnfenced",
        epoch,
        life,
        unfenced: this.of(true, false),
        expectRevision: this.of(null, epoch),
      },
      {
        op: "setFailover",
        record: {
          kind: this.of("switchover", "failover"),
          leader: name,
          candidate: this.of(null, this.name()),
          scheduledAt: this.of(null, this.text()),
          id: this.of("x", "y"),
          accepted: false,
          epoch: 0,
        },
        expectRevision: null,
      },
      { op: "acceptFailover", id: this.of("x", "y") },
      { op: "endFailover", id: this.of("x", "y"), ok: true, text: this.text() },
      {
        op: "setRestart",
        member: this.of(name, known, known),
        id: this.of("x", "y"),
        restart: {
          schedule: this.of("2030-01-01T00:00:00+00:00", "2030-01-01T00:00:00+00:00", this.text()),
          ...this.of({}, { restart_pending: true, role: "replica", timeout: this.number() } as const),
        },
        expectId: this.of(null, "x", this.text()),
      },
      { op: "endRestart", member: this.of(name, this.name()), id: this.of("x", "y"), text: this.text() },
      {
        op: "setMember",
        facts: {
          name,
          connUrl: this.of("postgres://h:5432/postgres", this.text()),
          apiUrl: this.of("http://h:8008/patroni", this.text()),
          proxyUrl: this.of(null, this.text()),
          raftAddr: this.of("h:1", this.text()),
          tags: this.of({}, this.json()) as never,
          life,
          version: this.text(),
        },
        incarnation: 1,
        replace: this.of(true, false),
      },
      { op: "dropMember", name: known, raftAddr: this.of("h:1", this.text()) },
      {
        op: "addHistory",
        epoch,
        line: [this.below(9), this.number(), this.text(), this.text(), name],
        maxLines: this.below(3),
      },
      {
        op: "setFailsafe",
        epoch,
        life,
        nodes: this.of(undefined, { a: 1, b: 1 }, { a: 1, b: this.number() }),
        members: this.of(null, { [holder ?? name]: "http://h:1", a: "x", b: "x" }),
        expectRevision: state.failsafe?.revision ?? null,
      },
      { op: "endFailsafe", revision: state.failsafe?.revision ?? 1, life: LIFE },
      { op: "endFailsafe", revision: this.number(), life: this.of(LIFE, life ?? LIFE) },
      ...endsOf(state),
      this.#sync(state, name),
      ...this.#promised(state, name, life),
      {
        op: "setTtl",
        epoch,
        free: this.of(true, false),
        expectGrantMs: 5000,
        expectWaitMs: 5000,
        grantMs: this.number(),
        waitMs: this.number(),
      },
      {
        op: "addEvents",
        events: Array.from({ length: this.of(1, 1, 2, 20) }, () => ({
          kind: this.of(...NOTED_EVENTS),
          member: this.of(name, known),
          at: this.of("2026-01-31T12:00:00.000Z", this.text()),
          text: this.text(),
          ...this.of({}, { facts: { epoch, lsn: this.number(), cause: this.text() } }),
          ...this.of({}, { times: this.number() }),
        })),
      },
    ];
    return this.of(...bodies);
  }

  /** While something is promised, the last holder alone gets the lock back without votes. */
  #promised(state: DcsState, name: string, life: Life | undefined): CommandBody[] {
    const { sync, lock: { epoch, lastHolder } } = state;
    if (sync.leader === null) return [];
    const grant: CommandBody = {
      op: "grant",
      epoch: epoch + 1,
      holder: lastHolder ?? name,
      life,
      reason: "test",
      complete: false,
      sync: { by: "holder", votes: [], token: "t" },
    };
    return [grant, grant, grant, this.#sync(state, name), this.#sync(state, name), this.#sync(state, name)];
  }

  #sync({ lock: { epoch, holder }, sync }: DcsState, name: string): CommandBody {
    // A promise is seldom kept long: few grants are proven here.
    const leader = sync.leader === null ? holder ?? name : this.of(null, null, null, holder ?? name);
    const syncStandby = this.of<string[]>([], ["a"], ["a", "b"], [name], [this.text()]).filter((one) =>
      one !== leader
    );
    return {
      op: "setSync",
      epoch,
      life: LIFE,
      leader,
      syncStandby,
      quorum: this.of(0, 1, this.number()),
      data: Object.fromEntries([...syncStandby, ...this.of([], [leader ?? name])].map((one) => [one, "t"])),
      flushed: this.of<string[]>([], syncStandby, [this.text()]),
      expectRevision: this.of(sync.revision, sync.revision, this.number()),
    };
  }

  /** One command: as proposed, with fields replaced, with bytes replaced, or no command at all. */
  command(state: DcsState): Uint8Array {
    if (this.below(12) === 0) return Uint8Array.from({ length: this.below(60) }, () => this.below(256));
    const holder = state.lock.holder ?? this.name();
    const by = this.of("a", "b", holder, holder, this.name(), ...Object.keys(state.failsafe?.members ?? {}));
    const valid = encodeCommand({ ...this.body(state), by, at: this.text() });
    const kind = this.below(4);
    if (kind < 2) return valid;
    if (kind === 2) {
      for (let flips = 1 + this.below(3); flips > 0; flips--) {
        valid[this.below(valid.length)] = this.below(256);
      }
      return valid;
    }
    const value = JSON.parse(new TextDecoder().decode(valid)) as Record<string, unknown>;
    this.#spoil(value);
    return new TextEncoder().encode(JSON.stringify(value));
  }

  #spoil(value: Record<string, unknown>): void {
    const key = this.of(...Object.keys(value));
    const inner = value[key];
    if (typeof inner === "object" && inner !== null && Object.keys(inner).length > 0 && this.below(2) === 0) {
      return this.#spoil(inner as Record<string, unknown>);
    }
    if (this.below(4) === 0) delete value[key];
    else value[key] = this.json();
  }
}

const CONFIG = parsedConfig(MINIMAL);

/** Everything that agents make of the records. */
function look(state: DcsState): void {
  const value = state.config?.value ?? {};
  const { config: dynamic } = effectiveDynamic(value, CONFIG);
  effectivePostgresqlSection(value, CONFIG.postgresql!);
  validateDynamic(applyPatch(value, value));
  const statuses = [seen(primaryStatus("a")), seen(status("b")), seen(status("constructor"))];
  coordinate({
    ...succession({ dcs: state, dynamic, statuses }),
    self: "b",
    wallMs: Date.parse("2026-01-01T00:00:00Z"),
    expiryDue: false,
    leaseOver: false,
    nextTtl: null,
    leadingForMs: 60_000,
    requestForMs: 60_000,
    givenUpIndex: 0,
  });
  for (const name of ["a", "b", "__proto__"]) keep(node({ name, dcs: state, dynamic }));
  const port = new StubPort();
  port.change({ dcs: state, dynamic });
  const view = port.view();
  for (
    const key of [
      "leader",
      "initialize",
      "config",
      "history",
      "failsafe",
      "failover",
      "sync",
      "status",
      "members/a",
    ]
  ) {
    dcsKey(view, key);
  }
  const io = { out: () => {} } as unknown as Parameters<typeof printMembers>[0];
  for (const format of ["pretty", "json", "tsv", "topology"] as const) {
    printMembers(io, clusterJson(view), { format, extended: true, quorum: true });
  }
  recoveredState(state, { survivor: "a", at: "" });
  linkEvents(state.events);
}

/**
 * A failsafe set ends seldom: its epoch has to end before it. So both come more often while there is one, and
 * so does the end of a restart that is scheduled.
 */
function endsOf({ failsafe, restarts = {}, lock: { epoch } }: DcsState): CommandBody[] {
  const scheduled = Object.entries(restarts).flatMap(([member, { id }]): CommandBody[] => {
    const end = { op: "endRestart" as const, member, id, text: "done" };
    return [end, end];
  });
  if (failsafe === null) return scheduled;
  const end: CommandBody = { op: "endFailsafe", revision: failsafe.revision, life: LIFE };
  const expire: CommandBody = { op: "expire", epoch, reason: "test" };
  return [...scheduled, expire, end, end, end, end];
}

async function ask(state: DcsState): Promise<void> {
  const port = new StubPort();
  port.change({ dcs: state });
  const app = createApp(port, {
    onError: (error) => {
      throw error;
    },
  });
  for (const path of ["/cluster", "/history", "/config", "/metrics", "/patroni", "/health", "/agent/raft"]) {
    const response = await app.request(path);
    expect([path, response.status === 500]).toEqual([path, false]);
  }
}

for (const version of [1, COMMAND_VERSION]) {
  borderTest(
    `a command at version ${version}: it ends nobody, and all members have the same records`,
    USUAL,
    async (inputs) => {
      const reached = new Set<string>();
      for (let done = 0, seed = 1; inputs.wants(done); done += SEQUENCE, seed++) {
        const garbage = new Garbage(seededRandom(seed * 7 + version), seed % 2 === 0);
        const [first, second] = [new DcsStateMachine(), new DcsStateMachine()];
        for (let index = 1; index <= SEQUENCE; index++) {
          const bytes = garbage.command(first.state);
          const expected = first.apply(bytes, index, version);
          let applied: unknown = null;
          inputs.tried(() => {
            commandRefusal(bytes, version);
            applied ??= second.apply(bytes, index, version);
          });
          expect(applied).toEqual(expected);
          if (expected.ok && bytes.length > 0) reached.add(JSON.parse(new TextDecoder().decode(bytes)).op);
          if (index % 100 !== 0) continue;
          const snapshot = first.snapshot();
          expect(second.snapshot()).toEqual(snapshot);
          // A member that was brought up by a snapshot goes on as the one that has every entry.
          expect(second.snapshotFlaw(snapshot)).toBeNull();
          second.restore(snapshot);
          expect(second.snapshot()).toEqual(snapshot);
          look(first.state);
        }
        if (seed % 5 === 0) await ask(first.state);
      }
      // What has never changed a record has shown nothing.
      const inForce = COMMANDS.filter((op) => version >= commandVersion({ op } as CommandBody));
      if (inputs.done >= USUAL) expect(inForce.filter((op) => !reached.has(op))).toEqual([]);
    },
  );
}
