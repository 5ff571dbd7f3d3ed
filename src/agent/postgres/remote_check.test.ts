import { expect, test } from "bun:test";
import { NOTHING_FOUND } from "../../model/config_check.ts";
import type { StandbyCluster } from "../../model/standby_cluster.ts";
import { type RemoteCheck, remoteCheck } from "./remote_check.ts";

const MINE = { systemId: "1", timeline: 1, lsn: 0 };
const OTHER = { ...MINE, systemId: "2" };

type Answers = Awaited<ReturnType<RemoteCheck["ask"]>>;

/** What is found with these answers, and the URLs that were asked. */
async function check(
  proposed: StandbyCluster | null,
  answers: Answers = [],
  { systemId = "1" as string | null, present = null as StandbyCluster | null } = {},
) {
  const asked: string[] = [];
  const ask = (url: string) => {
    asked.push(url);
    return Promise.resolve(answers);
  };
  return { ...await remoteCheck({ systemId, present, proposed, ask }), asked };
}

test("a remote primary of the same database system is accepted", async () => {
  expect(await check({ host: "10.0.0.9" }, [{ host: "10.0.0.9:5432", answer: MINE }])).toEqual({
    ...NOTHING_FOUND,
    asked: ["postgres://10.0.0.9:5432/postgres"],
  });
});

test("one of another database system is refused, although another of the hosts is the right one", async () => {
  const answers = [{ host: "a:5432", answer: MINE }, { host: "b:5432", answer: OTHER }];
  const { refusals, warnings } = await check({ host: "a,b" }, answers);
  expect(refusals).toEqual([
    "standby_cluster: the server at b:5432 is of another database system: its system identifier is 2, this " +
    "cluster's 1. The cluster could not follow it",
  ]);
  expect(warnings).toEqual([]);
});

test("one that does not answer is told, and keeps nothing from being changed", async () => {
  const { refusals, warnings } = await check({ host: "a" }, [{ host: "a:5432", answer: "refused" }]);
  expect(refusals).toEqual([]);
  expect(warnings).toEqual([
    "standby_cluster: the server at a:5432 cannot be asked which database system it is (refused)",
  ]);
});

test("nobody is asked without data, of an archive, of no remote primary, and of the one that is followed", async () => {
  const silent = { ...NOTHING_FOUND, asked: [] };
  expect(await check({ host: "a" }, [], { systemId: null })).toEqual(silent);
  expect(await check({ restoreCommand: "cp" })).toEqual(silent);
  expect(await check(null, [], { present: { host: "a" } })).toEqual(silent);
  const present = { host: "a" };
  expect(await check({ host: "a", primarySlotName: "s" }, [], { present })).toEqual(silent);
  expect((await check({ host: "a", port: 5433 }, [], { present })).asked).toHaveLength(1);
});
