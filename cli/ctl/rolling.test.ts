/** A rolling restart against a cluster that does what it is asked, until it does not. */
import { expect, test } from "bun:test";
import type { ClusterJson, ClusterMemberJson, Reply } from "../../src/api/client.ts";
import type { ClusterAccess } from "./access.ts";
import type { Context } from "./command.ts";
import { type RollingOptions, rollingRestart } from "./rolling.ts";

const OPTIONS: RollingOptions = { force: true, pending: false, timeout: null, version: "", primary: null };

class Cluster {
  readonly calls: string[] = [];
  leader = "a";
  leaderRole: "leader" | "standby_leader" = "leader";
  /** Patches of members, by name. */
  readonly members: { [name: string]: Partial<ClusterMemberJson> } = { a: {}, b: {}, c: {} };
  readonly versions: { [name: string]: number } = { a: 150007, b: 150007, c: 150007 };
  unheard: string[] = [];
  /** The primary's position, and those of standbys that are elsewhere. */
  written = 1000;
  readonly positions: { [name: string]: number } = {};
  /** Status and text of the answer to the next restarts and switchovers. */
  answer: [number, string] = [200, ""];
  onRestart: (name: string) => unknown = () => {};
  onLook: () => void = () => {};
  onBody: (body: unknown) => void = () => {};

  json(): ClusterJson {
    const members = Object.entries(this.members).filter(([name]) => !this.unheard.includes(name)).map((
      [name, patch],
    ) => ({
      name,
      role: name === this.leader ? this.leaderRole : "replica",
      state: name === this.leader ? "running" : "streaming",
      api_url: name,
      ...(name === this.leader ? {} : { lag: 0 }),
      ...patch,
    }));
    const unreachable = this.unheard.map((name) => ({ name, last_seen_s: 9, api_url: name }));
    return { scope: "demo", members, agent: { unreachable } } as unknown as ClusterJson;
  }

  #reply(status: number, text: string): Reply {
    return { ok: true, status, text, headers: new Headers() } as unknown as Reply;
  }

  #ask(name: string, path: string): Reply {
    if (path === "/patroni") {
      const isLeader = name === this.leader && this.leaderRole === "leader";
      const { state = "streaming" } = this.members[name]!;
      const at = this.positions[name] ?? this.written;
      const own = {
        state: state === "streaming" ? "running" : state,
        role: isLeader ? "primary" : "replica",
        server_version: this.versions[name],
        xlog: isLeader ? { location: this.written } : { received_location: at, replayed_location: at },
        ...(name === this.leader || state !== "streaming" ? {} : { replication_state: "streaming" }),
        patroni: { version: "4.1.4" },
      };
      return this.#reply(200, JSON.stringify(own));
    }
    this.calls.push(`restart ${name}`);
    this.onRestart(name);
    return this.#reply(...this.answer);
  }

  async run(names: readonly string[], options: Partial<RollingOptions> = {}) {
    let out = "";
    const access = {
      look: () => {
        this.onLook();
        return Promise.resolve(this.json());
      },
      ofMember: (
        { api_url }: { api_url: string },
        _method: string,
        path: string,
        { body }: { body?: unknown },
      ) => {
        if (body !== undefined) this.onBody(body);
        return Promise.resolve(this.#ask(api_url, path));
      },
      ofAny: (
        _members: unknown,
        _method: string,
        _path: string,
        { body }: { body: { candidate: string } },
      ) => {
        this.calls.push(`switchover to ${body.candidate}`);
        if (this.answer[0] === 200) this.leader = body.candidate;
        return Promise.resolve(this.#reply(...this.answer));
      },
    } as unknown as ClusterAccess;
    const io = { out: (line: string) => void (out += `${line}\n`) };
    const context = { io, cluster: access } as unknown as Context;
    const cluster = this.json();
    const members = cluster.members.filter(({ name }) => names.includes(name));
    const code = await rollingRestart(context, cluster, members, { ...OPTIONS, ...options });
    return { code, out };
  }
}

test("standbys are restarted, then a restarted one becomes the primary", async () => {
  const cluster = new Cluster();
  const { code, out } = await cluster.run(["a", "b", "c"]);
  expect(cluster.calls).toEqual(["restart b", "restart c", "switchover to b"]);
  expect(code).toBe(0);
  expect(out).toContain("Rolling restart: b, c, a (by switchover)");
  expect(out).toContain("3/3 a: switching over to b");
  expect(out).toEndWith("Success: rolling restart of b, c, a\n");
});

test("the primary is restarted in place when that is asked for, or no restarted standby may take over", async () => {
  const cluster = new Cluster();
  await cluster.run(["a", "b", "c"], { primary: "restart" });
  expect(cluster.calls).toEqual(["restart b", "restart c", "restart a"]);
  const other = new Cluster();
  other.members["b"] = { tags: { nofailover: true } };
  const { out } = await other.run(["a", "b"]);
  expect(other.calls).toEqual(["restart b", "restart a"]);
  expect(out).toContain("2/2 a: no restarted standby may become the primary, so it is restarted in place");
});

test("nothing is begun unless all members are well", async () => {
  const ill = async (change: (cluster: Cluster) => void) => {
    const cluster = new Cluster();
    change(cluster);
    const failed = await cluster.run(["a", "b"]).then(() => "", (error: Error) => error.message);
    expect(cluster.calls).toEqual([]);
    return failed;
  };
  expect(await ill((cluster) => cluster.members["c"] = { state: "stopped" })).toBe(
    "Nothing was restarted: c is stopped, and does not stream",
  );
  expect(await ill((cluster) => cluster.members["c"] = { lag: 64 * 1024 * 1024 })).toContain(
    "c is 64 MB behind",
  );
  expect(await ill((cluster) => cluster.members["c"] = { lag: "unknown" })).toContain("c is behind");
  expect(await ill((cluster) => cluster.unheard = ["c"])).toBe("Nothing was restarted: c is not heard");
  expect(await ill((cluster) => cluster.leader = "nobody")).toContain("Nothing was restarted");
});

test("the first failure ends it, and says what was restarted and what was not", async () => {
  const cluster = new Cluster();
  cluster.onRestart = (name) => void (cluster.answer = name === "c" ? [503, "restart failed"] : [200, ""]);
  const { code, out } = await cluster.run(["a", "b", "c"]);
  expect(cluster.calls).toEqual(["restart b", "restart c"]);
  expect(code).toBe(1);
  expect(out).toContain("Failed: 2/3 c: restart failed: status code=503, (restart failed)");
  expect(out).toContain("Restarted: b. Not restarted: c, a.");
});

test("the next member waits until the one before streams again", async () => {
  const cluster = new Cluster();
  let seen: unknown = null;
  cluster.onRestart = (name) => {
    if (name === "c") seen = cluster.members["b"]!.state ?? "streaming";
    else if (name === "b") {
      cluster.members["b"] = { state: "starting" };
      setTimeout(() => void (cluster.members["b"] = {}), 700);
    }
  };
  const { out } = await cluster.run(["b", "c"]);
  expect(seen).toBe("streaming");
  expect(out).toMatch(/1\/2 b: streams again after (?:0\.[6-9]|1\.\d) s/);
});

test("a standby is restarted when it has what its restarted primary has written, by its own word", async () => {
  const cluster = new Cluster();
  for (const name of "abc") {
    cluster.members[name] = {
      pending_restart_reason: { max_connections: { old_value: "200", new_value: "100" } },
    };
  }
  let wasBehind = false;
  cluster.onRestart = (name) => {
    if (name === "b") wasBehind ||= cluster.positions["b"]! < cluster.written;
    if (name !== "a") return;
    cluster.written = 2000;
    cluster.positions["b"] = 1000;
    setTimeout(() => void (cluster.positions["b"] = 2000), 700);
  };
  const { code, out } = await cluster.run(["a", "b", "c"]);
  expect({ code, wasBehind, calls: cluster.calls }).toEqual({
    code: 0,
    wasBehind: false,
    calls: ["restart a", "restart b", "restart c"],
  });
  expect(out).toMatch(/1\/3 a: runs again after (?:0\.[6-9]|1\.\d) s/);
});

test("another leader in the middle of it ends it", async () => {
  const cluster = new Cluster();
  let looks = -1;
  cluster.onRestart = () => void (looks = 0);
  // The first look waits for the member, the second begins the next step.
  cluster.onLook = () => void (looks >= 0 && ++looks === 2 ? cluster.leader = "c" : null);
  const { code, out } = await cluster.run(["a", "b", "c"]);
  expect(cluster.calls).toEqual(["restart b"]);
  expect(code).toBe(1);
  expect(out).toContain("Failed: 2/3 c: c is the leader now, and not a");
});

test("with --pg-version only older servers are restarted, and one that comes back with the old version is a failure", async () => {
  const cluster = new Cluster();
  cluster.versions["b"] = 150008;
  cluster.onRestart = (name) => void (name === "c" ? cluster.versions["c"] = 150008 : null);
  const { code, out } = await cluster.run(["a", "b", "c"], { version: "15.8", primary: "restart" });
  expect(cluster.calls).toEqual(["restart c", "restart a"]);
  expect(code).toBe(1);
  expect(out).toContain("it runs PostgreSQL 15.7 still, and not 15.8");
  const none = await cluster.run(["b", "c"], { version: "15.8" });
  expect(none).toEqual({ code: 0, out: "No member needs this restart\n" });
});

test("the command that goes on where it ended switches over to a standby that needs no restart any more", async () => {
  const cluster = new Cluster();
  cluster.members["c"] = { pending_restart: true };
  await cluster.run(["a"], { pending: true });
  expect(cluster.calls).toEqual(["switchover to b"]);
  const upgraded = new Cluster();
  upgraded.versions["c"] = 150008;
  await upgraded.run(["a"], { version: "15.8" });
  expect(upgraded.calls).toEqual(["switchover to c"]);
});

test("in a standby cluster the others have what its leader has received", async () => {
  const cluster = new Cluster();
  cluster.leaderRole = "standby_leader";
  const { code } = await cluster.run(["a", "b", "c"], { primary: "restart" });
  expect({ code, calls: cluster.calls }).toEqual({ code: 0, calls: ["restart b", "restart c", "restart a"] });
});

test("a time limit may have a unit, and one that is none is refused before anything is restarted", async () => {
  const cluster = new Cluster();
  const bodies: unknown[] = [];
  cluster.onBody = (body) => void bodies.push(body);
  await cluster.run(["b"], { timeout: "2min" });
  expect(bodies).toEqual([{ timeout: 120 }]);
  for (const timeout of ["soon", "0", "-5", "1000d", ""]) {
    await expect(cluster.run(["b"], { timeout })).rejects.toThrow("--timeout: a time in seconds is expected");
  }
  expect(cluster.calls).toEqual(["restart b"]);
});

test("the standbys that would be left with less than the primary has are to be named", async () => {
  const cluster = new Cluster();
  for (const name of "abc") {
    cluster.members[name] = {
      pending_restart_reason: { max_connections: { old_value: "100", new_value: "200" } },
    };
  }
  for (const names of [["a"], ["a", "b"]]) {
    await expect(cluster.run(names)).rejects.toThrow(/^Nothing was restarted: max_connections is raised/);
  }
  expect(cluster.calls).toEqual([]);
});

test("a member that does not answer as it should ends it, with what was restarted", async () => {
  const cluster = new Cluster();
  cluster.onRestart = (name) => name === "b" ? cluster.versions["b"] = 150008 : delete cluster.versions[name];
  const { code, out } = await cluster.run(["b", "c"], { version: "15.8" });
  expect(code).toBe(1);
  expect(out).toContain("Failed: 2/2 c: c does not say which version it runs");
  expect(out).toContain("Restarted: b. Not restarted: c.");
});

test("with --primary switchover the primary is never restarted in place", async () => {
  const cluster = new Cluster();
  cluster.members["b"] = { tags: { nofailover: true } };
  const { code, out } = await cluster.run(["a", "b"], { primary: "switchover" });
  expect({ code, calls: cluster.calls }).toEqual({ code: 1, calls: ["restart b"] });
  expect(out).toContain("Failed: 2/2 a: no restarted standby may become the primary");
});

test("where some standbys are synchronous, the primary's place goes to one of these", async () => {
  const cluster = new Cluster();
  cluster.members["c"] = { role: "sync_standby" };
  cluster.onLook = () => void (cluster.leader === "c" ? cluster.members["c"] = {} : null);
  await cluster.run(["a", "b", "c"]);
  expect(cluster.calls).toEqual(["restart b", "restart c", "switchover to c"]);
  const other = new Cluster();
  other.members["c"] = { role: "sync_standby" };
  await other.run(["a", "b"]);
  expect(other.calls).toEqual(["restart b", "restart a"]);
});

test("a member that is away for longer is named while it is waited for, once", async () => {
  const cluster = new Cluster();
  cluster.onRestart = (name) => {
    if (name !== "b") return;
    cluster.unheard = ["c"];
    setTimeout(() => void (cluster.unheard = []), 2700);
  };
  const { code, out } = await cluster.run(["b"]);
  expect(code).toBe(0);
  expect(out.match(/1\/1 b: waiting up to 300 s: c is not heard\n/g)).toHaveLength(1);
});
