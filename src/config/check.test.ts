import { expect, test } from "bun:test";
import { warnUnknownKey } from "./check.ts";
import { Issues } from "./issues.ts";

/** Known names that count how often they are gone through. */
function countedNames(...names: string[]) {
  const known = Object.assign([...names], { looks: 0 });
  known[Symbol.iterator] = function () {
    this.looks++;
    return Array.prototype[Symbol.iterator].call(this);
  };
  return known;
}

for (const path of [[], ["postgresql", "authentication"]]) {
  test(`thousands of unknown keys in "${path.join(".")}" are guessed at while they are shown`, () => {
    const issues = new Issues();
    const known = countedNames("loop_wait", "retry_timeout");
    for (let i = 0; i < 9000; i++) warnUnknownKey(`lop_wait${i}`, known, path, issues);
    expect(known.looks).toBe(100);
    expect(issues.list[0]!.message).toContain("did you mean");
    expect(issues.list).toHaveLength(101);
  });
}
