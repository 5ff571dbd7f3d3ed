import { expect, test } from "bun:test";
import { planReload } from "../../config/reload.ts";
import { MINIMAL, minimalWith, parsedConfig } from "../../config/testing.ts";
import { PublishedAddress } from "./published_address.ts";

const before = parsedConfig(MINIMAL);
const moved = planReload(before, parsedConfig(minimalWith("127.0.0.1:5001", "127.0.0.1:5009")));

test("a new address waits for another postmaster than the one that listens at the old one", () => {
  const published = new PublishedAddress();
  expect(published.due(10)).toBeNull();
  published.reloaded(moved, 10);
  expect([published.isPending, published.due(10), published.due(null)]).toEqual([true, null, null]);
  expect(published.due(11)).toBe("127.0.0.1:5009");
  expect([published.isPending, published.due(12)]).toEqual([false, null]);
});

test("no PostgreSQL ran: the first one listens as the file says", () => {
  const published = new PublishedAddress();
  published.reloaded(moved, null);
  expect(published.due(10)).toBe("127.0.0.1:5009");
});

test("reloaded once more: still the server from before both is waited for; other reloads wait for nothing", () => {
  const published = new PublishedAddress();
  published.reloaded(planReload(before, before), 10);
  expect(published.isPending).toBe(false);
  published.reloaded(moved, 10);
  published.reloaded(planReload(moved.config, before, true), 10);
  expect([published.due(10), published.due(11)]).toEqual([null, null]);
});
