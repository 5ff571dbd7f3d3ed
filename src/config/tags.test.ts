import { expect, test } from "bun:test";
import { Issues } from "./issues.ts";
import type { JsonObject } from "../model/json.ts";
import { readTags } from "./tags.ts";

interface Row {
  readonly name: string;
  readonly section: JsonObject;
  readonly nofailover: boolean;
  readonly priority: number;
  readonly published: JsonObject;
  readonly warnings?: readonly string[];
}

const ROWS: readonly Row[] = [
  { name: "none", section: {}, nofailover: false, priority: 1, published: {} },
  {
    name: "false booleans",
    section: { nofailover: false, noloadbalance: false, clonefrom: false, nosync: false, nostream: false },
    nofailover: false,
    priority: 1,
    published: {},
  },
  {
    name: "true booleans in the order of the file",
    section: { nosync: true, clonefrom: true },
    nofailover: false,
    priority: 1,
    published: { nosync: true, clonefrom: true },
  },
  {
    name: "nofailover",
    section: { nofailover: true },
    nofailover: true,
    priority: 0,
    published: { nofailover: true },
  },
  {
    name: "priority 0",
    section: { failover_priority: 0 },
    nofailover: true,
    priority: 0,
    published: { failover_priority: 0 },
  },
  {
    name: "priority 3",
    section: { failover_priority: 3 },
    nofailover: false,
    priority: 3,
    published: { failover_priority: 3 },
  },
  {
    name: "priority as text",
    section: { failover_priority: "2" },
    nofailover: false,
    priority: 2,
    published: { failover_priority: "2" },
  },
  {
    name: "true against a priority",
    section: { nofailover: true, failover_priority: 1 },
    nofailover: true,
    priority: 0,
    published: { nofailover: true, failover_priority: 1 },
    warnings: [
      "Conflicting configuration between nofailover: True and failover_priority: 1. Defaulting to nofailover: True",
    ],
  },
  {
    name: "false against priority 0",
    section: { nofailover: false, failover_priority: 0 },
    nofailover: false,
    priority: 0,
    published: { nofailover: false, failover_priority: 0 },
    warnings: [
      "Conflicting configuration between nofailover: False and failover_priority: 0. Defaulting to nofailover: False",
    ],
  },
  {
    name: "false beside a priority that agrees",
    section: { nofailover: false, failover_priority: 2 },
    nofailover: false,
    priority: 2,
    published: { nofailover: false, failover_priority: 2 },
  },
  {
    name: "true beside a priority that agrees",
    section: { nofailover: true, failover_priority: 0 },
    nofailover: true,
    priority: 0,
    published: { nofailover: true, failover_priority: 0 },
  },
  {
    name: "nosync against sync_priority",
    section: { nosync: true, sync_priority: 5 },
    nofailover: false,
    priority: 1,
    published: { nosync: true, sync_priority: 5 },
    warnings: [
      "Conflicting configuration between nosync: True and sync_priority: 5. Defaulting to nosync: True",
    ],
  },
  {
    name: "the upstream of a member, and that it does not stream",
    section: { replicatefrom: "b", nostream: true, clonefrom: false },
    nofailover: false,
    priority: 1,
    published: { replicatefrom: "b", nostream: true },
  },
  {
    name: "tags of the user's own, false included",
    section: { datacenter: "eu-1", ssd: false, rack: 7, cost: "0" },
    nofailover: false,
    priority: 1,
    published: { datacenter: "eu-1", ssd: false, rack: 7, cost: "0" },
  },
  {
    name: "a text that says false",
    section: { nofailover: "false" },
    nofailover: false,
    priority: 1,
    published: {},
  },
  {
    name: "nothing behind the colon",
    section: { nofailover: null, foo: null },
    nofailover: false,
    priority: 1,
    published: {},
  },
  {
    name: "a map",
    section: { a: { b: 1 } },
    nofailover: false,
    priority: 1,
    published: {},
    warnings: ["a tag is one word, number or boolean: it is ignored"],
  },
  {
    name: "a near miss",
    section: { nofailovr: true },
    nofailover: false,
    priority: 1,
    published: { nofailovr: true },
    warnings: ["taken as a tag of your own; did you mean tags.nofailover?"],
  },
];

for (const row of ROWS) {
  test(`tags: ${row.name}`, () => {
    const issues = new Issues();
    const { tags, nofailover, failoverPriority } = readTags(row.section, issues);
    expect({ nofailover, failoverPriority }).toEqual({
      nofailover: row.nofailover,
      failoverPriority: row.priority,
    });
    expect(JSON.stringify(tags)).toBe(JSON.stringify(row.published));
    expect(issues.list.map((issue) => issue.message)).toEqual([...row.warnings ?? []]);
  });
}

test("a tag that would break a table or a terminal is refused", () => {
  const broken: JsonObject[] = [{ a: "x\ny" }, { "a\u001b[2J": true }, { a: "\ud800" }, { a: "\u009b2J" }];
  for (const section of broken) {
    const issues = new Issues();
    readTags(section, issues);
    expect(issues.hasErrors).toBe(true);
  }
  const fine = new Issues();
  readTags({ place: "Zürich, 3. OG 'links' 50 %" }, fine);
  expect(fine.list).toEqual([]);
});

test("tags that the log would not take are refused, with what is too large", () => {
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`tag${i}`, i]));
  const large: [JsonObject, RegExp][] = [[many, /more than 500 values/], [
    { a: "x".repeat(4097) },
    /4097 characters: at most 4096/,
  ]];
  for (const [section, why] of large) {
    const issues = new Issues();
    readTags(section, issues);
    expect(issues.list.filter(({ severity }) => severity === "error").map(({ path }) => path)).toEqual([
      "tags",
    ]);
    expect(issues.list.map((issue) => issue.message).join()).toMatch(why);
  }
});
