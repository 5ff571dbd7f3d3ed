import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { createApp } from "./app.ts";
import { STUB_WATCHDOG, StubPort } from "./testing.ts";

const file = (name: string) => readFileSync(`docs/monitoring/${name}`, "utf8");

async function namesOfMetrics(): Promise<Set<string>> {
  const port = new StubPort();
  port.change({ watchdog: STUB_WATCHDOG });
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  const text = await (await app.request("/metrics")).text();
  return new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!));
}

async function unknownIn(expressions: readonly string[]): Promise<string[]> {
  const known = await namesOfMetrics();
  const used = expressions.flatMap((expression) => expression.match(/\b(?:agent|patroni)_[a-z_]+/g) ?? []);
  expect(used.length).toBeGreaterThan(20);
  return used.filter((name) => !known.has(name) && !known.has(name.replace(/_bucket$/, "")));
}

test("the dashboard asks for metrics that exist, and for the cluster that is chosen", async () => {
  const { panels } = JSON.parse(file("dashboard.json"));
  const expressions = panels.flatMap(({ targets = [] }: { targets?: { expr: string }[] }) =>
    targets.map(({ expr }) => expr)
  );
  expect(await unknownIn(expressions)).toEqual([]);
  expect(expressions.filter((expression: string) => !expression.includes('scope=~"$scope"'))).toEqual([]);
});

test("alerts go by metrics that exist, and each is tried with values that raise it and that do not", async () => {
  const { groups } = parse(file("alerts.yml"));
  const rules = groups.flatMap((group: { rules: { alert: string; expr: string }[] }) => group.rules);
  expect(await unknownIn(rules.map(({ expr }: { expr: string }) => expr))).toEqual([]);
  const tried = parse(file("alerts.test.yml")).tests.map(({ name }: { name: string }) => name);
  expect(tried).toEqual(
    rules.flatMap(({ alert }: { alert: string }) => [`${alert} raised`, `${alert} quiet`]),
  );
});
