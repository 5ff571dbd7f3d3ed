/**
 * Voters and learners: the binary form of a Configuration, and its changes by one server at a time.
 *
 * A configuration is in force from the moment it is appended, committed or not, so that any majority of it
 * overlaps any majority of its predecessor, which differs by at most one voter. It is always computed from
 * the log (last config entry, else the snapshot's, else the initial voters) and never kept beside it:
 * truncation and restart then need no code that takes a change back.
 */
import { assert } from "./assert.ts";
import { ByteReader, ByteWriter, DecodeError } from "./bytes.ts";
import type { Configuration, NodeId } from "./types.ts";

/** Largest id that a member may have. */
export const MAX_NODE_ID = 2 ** 48;

/** A new server begins as a learner, and becomes a voter when it has caught up. */
export type ConfigChange =
  | { readonly kind: "addLearner"; readonly id: NodeId }
  | { readonly kind: "promote"; readonly id: NodeId }
  | { readonly kind: "remove"; readonly id: NodeId };

/** Why a change does not fit the configuration. */
export type ConfigRefusal = "alreadyMember" | "notLearner" | "notMember" | "lastVoter" | "tooManyMembers";

/**
 * Largest number of members: each keeps a connection to every other, and every entry waits for a majority.
 */
export const MAX_MEMBERS = 64;

const FORMAT = 1;

/** Sorts and checks the ids; throws InvariantError when one is invalid or appears twice. */
export function makeConfiguration(
  voters: readonly NodeId[],
  learners: readonly NodeId[] = [],
): Configuration {
  const configuration = { voters: sorted(voters), learners: sorted(learners) };
  const flaw = flawOf(configuration);
  assert(flaw === null, `configuration: ${flaw}`);
  return configuration;
}

/** Returns the configuration after `change`, or the reason why there is none. */
export function changeConfiguration(
  current: Configuration,
  change: ConfigChange,
): Configuration | ConfigRefusal {
  const { voters, learners } = current;
  const { id } = change;
  const without = (ids: readonly NodeId[]) => ids.filter((other) => other !== id);
  switch (change.kind) {
    case "addLearner":
      if (voters.includes(id) || learners.includes(id)) return "alreadyMember";
      if (voters.length + learners.length >= MAX_MEMBERS) return "tooManyMembers";
      return makeConfiguration(voters, [...learners, id]);
    case "promote":
      if (!learners.includes(id)) return voters.includes(id) ? "alreadyMember" : "notLearner";
      return makeConfiguration([...voters, id], without(learners));
    case "remove":
      if (learners.includes(id)) return makeConfiguration(voters, without(learners));
      if (!voters.includes(id)) return "notMember";
      if (voters.length === 1) return "lastVoter";
      return makeConfiguration(without(voters), learners);
  }
}

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const writer = new ByteWriter(8 + 8 * (configuration.voters.length + configuration.learners.length));
  writer.u8(FORMAT);
  for (const ids of [configuration.voters, configuration.learners]) {
    writer.u16(ids.length);
    for (const id of ids) writer.count(id);
  }
  return writer.finish();
}

/** Throws DecodeError on anything that encodeConfiguration would not have written. */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const reader = new ByteReader(bytes);
  const format = reader.u8();
  if (format !== FORMAT) throw new DecodeError(`configuration of unknown format ${format}`);
  const configuration = { voters: readIds(reader), learners: readIds(reader) };
  reader.end();
  const flaw = flawOf(configuration);
  if (flaw !== null) throw new DecodeError(`configuration: ${flaw}`);
  return configuration;
}

function readIds(reader: ByteReader): NodeId[] {
  const length = reader.u16();
  if (length * 8 > reader.remaining) throw new DecodeError(`configuration: ${length} ids do not fit`);
  return Array.from({ length }, () => reader.count());
}

function flawOf({ voters, learners }: Configuration): string | null {
  for (const ids of [voters, learners]) {
    for (const [at, id] of ids.entries()) {
      if (!Number.isSafeInteger(id) || id < 1 || id > MAX_NODE_ID) return `invalid id ${id}`;
      if (at > 0 && ids[at - 1]! >= id) return `ids not ascending at ${id}`;
    }
  }
  const both = learners.find((id) => voters.includes(id));
  return both === undefined ? null : `${both} is voter and learner`;
}

function sorted(ids: readonly NodeId[]): NodeId[] {
  return [...ids].sort((a, b) => a - b);
}
