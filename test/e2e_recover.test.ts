/** Two of three hosts are lost: the third goes on alone by `agent recover`, and the old members stay out. */
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { holdsFor, waitFor } from "../src/demo/wait_for.ts";
import { START_MS, withCluster, WRITES_MS } from "./e2e/harness.ts";
import { answersWith, raftThat } from "./e2e/shown.ts";

const { story } = withCluster({ dcs: { ttl: 2 } });

interface Ended {
  readonly code: number | null;
  readonly text: string;
}

function recover(host: Host, ...words: string[]): Ended {
  return recoverWith({}, host, ...words);
}

function recoverWith(env: Readonly<Record<string, string>>, host: Host, ...words: string[]): Ended {
  const { prefix, binary } = host.settings;
  const [program, ...args] = [
    ...prefix,
    binary,
    "recover",
    "--force-new-cluster",
    ...words,
    host.configFile,
  ];
  const { status, stdout, stderr } = spawnSync(program!, args, {
    cwd: host.directory,
    env: { ...host.settings.env, HOME: host.directory, ...env },
    input: "",
    encoding: "utf8",
    timeout: START_MS,
  });
  return { code: status, text: `${stdout}${stderr}` };
}

story(
  "a standby with all data becomes primary; old members are refused, and join once they are emptied",
  async (fixture) => {
    const { cluster } = fixture;
    const old = await fixture.healed();
    const [survivor, other] = cluster.others(old) as [Host, Host];

    const running = recover(survivor, "--confirm", cluster.scope);
    expect(running).toMatchObject({ code: 1 });
    expect(running.text).toContain("is running");

    // A majority of the others lives: they are asked.
    await survivor.powerOff();
    // If it led the group, the others have to elect another one first. Unconfirmed, it founds nothing meanwhile.
    const lives = "a majority lives, and nothing needs to be recovered";
    await waitFor("the others to name a leader", START_MS, () => recover(survivor).text.includes(lives));
    const needless = recover(survivor, "--confirm", cluster.scope);
    expect(needless.code).toBe(1);
    expect(needless.text).toContain(lives);
    survivor.start();
    await cluster.waitHealthy(START_MS);

    // In maintenance mode the primary goes on without a majority, and no lease ends it.
    await cluster.ctl("pause", "--wait");
    await Promise.all([survivor, other].map((host) => host.powerOff()));
    let beside = needless;
    await waitFor("the primary to know of no leader", START_MS, () => {
      beside = recover(survivor, "--confirm", cluster.scope);
      return !beside.text.includes("a majority lives");
    });
    expect(beside.code).toBe(1);
    expect(beside.text).toContain(`${old.name} runs as a primary`);
    for (const host of [survivor, other]) host.start();
    await waitFor(
      "maintenance mode to end",
      START_MS,
      async () => (await cluster.tryCtl("resume", "--wait")).code === 0,
    );
    await cluster.waitHealthy(START_MS);

    const offMs = nowMs();
    await Promise.all(cluster.hosts.map((host) => host.powerOff()));
    const unconfirmed = recover(survivor);
    expect(unconfirmed.code).toBe(1);
    expect(unconfirmed.text).toContain("Nothing was changed");
    expect(unconfirmed.text).toContain(`The old primary, ${old.name}, must be switched off`);
    expect(unconfirmed.text).toContain(`${other.name}: no answer from`);

    // A survivor that cannot ask the others does not know that they are lost.
    const blind = recoverWith({ PATRONI_CTL_CACERT: "/no/such.pem" }, survivor, "--confirm", cluster.scope);
    expect(blind.code).toBe(1);
    expect(blind.text).toContain("cannot be asked whether a majority lives");
    expect(blind.text).toContain("/no/such.pem");

    // What can be read of the others, on a disk that was carried over.
    const also = [join(other.directory, "raft"), join(other.directory, "data")];
    const compared = recover(survivor, ...also.flatMap((path) => ["--also", path]));
    expect(compared.text).toContain(`${also[0]}: raft log of ${other.addresses.address}:`);
    expect(compared.text).toMatch(/ {2}PostgreSQL: .*timeline \d+, at least at [\dA-F]+\/[\dA-F]+/);
    const wrong = recover(survivor, "--also", other.directory, "--confirm", cluster.scope);
    expect(wrong.code).toBe(1);
    expect(wrong.text).toContain("is neither a raft directory");

    const begin = nowMs();
    const done = recover(survivor, "--confirm", cluster.scope);
    expect(done).toMatchObject({ code: 0 });
    survivor.start();
    await waitFor("the survivor to lead", WRITES_MS, () => survivor.answers("/primary"));
    expect(await fixture.successorOf(old, begin)).toBe(survivor);
    // Replication is asynchronous: of the writes in the last moment the lost primary may have been the only
    // one to know.
    const lost = await fixture.lostOn(survivor, 0);
    expect(fixture.client.acks.filter((ack) => ack.ackMs < offMs - 1000 && lost.includes(ack.id))).toEqual(
      [],
    );

    // Alone with its old directory, the old primary has no majority and is refused by the survivor.
    old.start();
    await waitFor("the refusal", START_MS, () => survivor.log().includes("node of another cluster"));
    await holdsFor(8000, async () => expect(await old.answers("/primary")).toBe(false));
    await answersWith(survivor, "/primary", 200);
    fixture.expectOnePrimary(old, begin);

    // Both with empty directories: a majority of the old cluster, which must not be founded again. They join
    // the new one.
    await old.powerOff();
    for (const host of [old, other]) {
      for (const name of ["data", "raft"]) {
        rmSync(join(host.directory, name), { recursive: true, force: true });
      }
      host.start();
    }
    const led: string[] = [];
    await waitFor("both to follow the survivor", START_MS, async () => {
      for (const host of [old, other]) if (await host.answers("/primary")) led.push(host.name);
      const following = await Promise.all([old, other].map((host) => host.answers("/replica")));
      return led.length > 0 || following.every(Boolean);
    });
    expect(led).toEqual([]);
    await raftThat(
      "three voters",
      survivor,
      ({ members }) => members.filter(({ voter }) => voter).length === 3,
    );
    await answersWith(survivor, "/primary", 200);
    const raft = readdirSync(survivor.directory, { recursive: true, encoding: "utf8" });
    expect(raft.some((name) => /identity\.json\.before-recover-/.test(name))).toBe(true);
  },
);
