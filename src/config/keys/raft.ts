/** The keys of the section raft. */
import type * as z from "zod";
import {
  address,
  bool,
  field,
  integer,
  nonEmptyFile,
  nonEmptyText,
  section,
  text,
  textList,
} from "../fields.ts";
import { key, requiredKey } from "./row.ts";

/** [min, max] or one number, ms. */
const electionTimeout = field(
  "one time in ms or a list of two (min, max)",
  (value): readonly unknown[] | undefined => {
    if (Array.isArray(value)) return value.length === 2 ? value : undefined;
    return typeof value === "number" || typeof value === "string" ? [value] : undefined;
  },
);

const TLS = {
  effect: "reload",
  meaning:
    "mutual TLS between members; the three belong together. The certificate holds the host of `raft.self_addr` in its " +
    "subject alternative names ([operations.md](operations.md#who-may-do-what)). Files that are renewed on the disk are " +
    "read again within 10 s, and at a reload. To begin or end encryption: restart",
};

export const raftSchema = section({
  self_addr: key(address, {
    effect: "restart",
    meaning:
      "this member's `host:port` for the others. Left out: a member without a vote, which dials the others and is " +
      "not dialled (a replica far away, or more than five nodes)",
  }),
  partner_addrs: key(textList, {
    default: "`[]`",
    effect: "restart",
    meaning:
      "the other first members, or some members of a cluster to join. Read while the raft directory is empty. Own " +
      "address, in any spelling (`localhost`, another name or address of this host), or a repeated one among them is an " +
      "error; an even number of voters a warning",
  }),
  bind_addr: key(address, {
    default: "`self_addr`",
    effect: "restart",
    meaning: "where it listens, when that differs (`0.0.0.0:7800`)",
  }),
  data_dir: key(nonEmptyText, {
    default: "`<name>.raft` beside `postgresql.data_dir`, with a warning",
    effect: "restart",
    meaning: "directory of the log; must not lie in `postgresql.data_dir`. Required on a witness",
  }),
  password: key(text, {
    effect: "restart",
    meaning:
      "the same on all members; each proves that it knows it, and every frame is authenticated. Traffic is not encrypted",
  }),
  tls: section({
    certfile: requiredKey(nonEmptyFile, TLS),
    keyfile: requiredKey(nonEmptyFile, TLS),
    cafile: requiredKey(nonEmptyFile, TLS),
  }).optional(),
  witness: key(bool, {
    default: "`false`",
    effect: "restart",
    meaning: "a voter without PostgreSQL, started by `agent witness`: the `postgresql` section is not needed",
  }),
  election_timeout: key(electionTimeout, {
    default: "`[600, 1000]` ms",
    effect: "restart",
    meaning:
      "smallest and largest time without a leader before an election; one number is the smallest, the largest is 5/3 of " +
      "it. At least 3 heartbeats",
  }),
  heartbeat_interval: key(integer(10, 10_000, "ms"), {
    default: "`200` ms",
    effect: "restart",
    meaning:
      "time between messages of the leader; at most a third of the smallest election time, which is also the default " +
      "where that is less than 600 ms",
  }),
});

export type RaftSection = z.output<typeof raftSchema>;
