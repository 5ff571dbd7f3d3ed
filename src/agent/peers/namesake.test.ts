import { expect, test } from "bun:test";
import { cluster, seen, status } from "../../brain/testing.ts";
import { NAMESAKE_MS, whyNameTaken } from "./namesake.ts";

const alive = [seen(status("a"))];

test("a node elsewhere does not get the name of a member that lives", () => {
  expect(whyNameTaken({ name: "a", addr: "elsewhere:2222" }, cluster(), alive)).toBe(
    "Can't start; there is already a node named 'a' running",
  );
});

test("it does where that member is silent, where it is the member's own address, and where nobody has the name", () => {
  const silent = [seen(status("a"), NAMESAKE_MS)];
  expect(whyNameTaken({ name: "a", addr: "elsewhere:2222" }, cluster(), silent)).toBeNull();
  expect(whyNameTaken({ name: "a", addr: "elsewhere:2222" }, cluster(), [])).toBeNull();
  expect(whyNameTaken({ name: "a", addr: "a:2222" }, cluster(), alive)).toBeNull();
  expect(whyNameTaken({ name: "d", addr: "d:2222" }, cluster(), alive)).toBeNull();
  expect(whyNameTaken({ name: "__proto__", addr: "d:2222" }, cluster(), alive)).toBeNull();
  expect(whyNameTaken({ name: null, addr: "d:2222" }, cluster(), alive)).toBeNull();
});

test("a name whose slot another member has is refused before it is a member, but at that one's own address", () => {
  expect(whyNameTaken({ name: "A", addr: "d:2222" }, cluster(), [])).toBe(
    "Can't start: the names a and A give the same replication slot, a, and only one of the two could stream: give this " +
      "one another name",
  );
  expect(whyNameTaken({ name: "A", addr: "a:2222" }, cluster(), alive)).toBeNull();
});
