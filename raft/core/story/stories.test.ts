/**
 * Plays every story in stories/ and compares what it prints with its text. After a wanted change, rewrite the
 * stories with `REWRITE_STORIES=1 bun test raft/core/story/stories.test.ts`, and read the difference.
 */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { playStory } from "./story.ts";
import { StoryError } from "./story_text.ts";

const directory = join(import.meta.dir, "stories");
const names = readdirSync(directory).filter((name) => name.endsWith(".txt")).sort();

describe("stories", () => {
  for (const name of names) {
    test(name.replace(/\.txt$/, ""), () => {
      const path = join(directory, name);
      const told = readFileSync(path, "utf8");
      const played = playStory(told);
      if (process.env.REWRITE_STORIES === "1") writeFileSync(path, played);
      else expect(played.split("\n")).toEqual(told.split("\n"));
    });
  }

  test("there are some of every kind", () => {
    const kinds = [
      "election",
      "prevote",
      "checkquorum",
      "replicate",
      "snapshot",
      "transfer",
      "read",
      "membership",
    ];
    for (const kind of kinds) expect(names.filter((name) => name.startsWith(kind)).length).toBeGreaterThan(1);
    expect(names.length).toBeGreaterThanOrEqual(20);
  });
});

describe("a story that is not written well", () => {
  test("is refused with the line", () => {
    expect(() => playStory("juggle 1\n----\n")).toThrow(
      new StoryError("line 1, juggle: there is no such command"),
    );
    expect(() => playStory("\n\ncampaign 1\n----\n")).toThrow("line 3, campaign: there is no server 1");
    expect(() => playStory("add-nodes 1 voters=(1)\ncampaign one\n----\n")).toThrow("line 2");
    expect(() => playStory("campaign 1\n\n")).toThrow("line 2");
    expect(() => playStory("add-nodes 1 voters=(1)\ncampaign 1 2\n----")).toThrow("not understood: 2");
  });

  test("shows what is printed in place of what it says", () => {
    const told = "# One server.\nadd-nodes 1 voters=(1)\n----\nnonsense\n\n# The end.\n";
    expect(playStory(told)).toBe(
      "# One server.\nadd-nodes 1 voters=(1)\n----\n1: follower, term 0, log 0/0, commit 0, voters 1\n\n# The end.\n",
    );
  });
});
