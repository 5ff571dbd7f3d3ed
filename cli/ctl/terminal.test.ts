import { expect, spyOn, test } from "bun:test";
import { prompt } from "./prompt.ts";
import { Terminal } from "./terminal.ts";

const EVIL = "one\u001b]0;title\u0007\ttwo\u009b31m\nthree\u202e";

function written(isTerminal: boolean): string {
  const terminal = Object.defineProperty(new Terminal(), "isTerminal", { value: isTerminal });
  const write = spyOn(process.stdout, "write").mockImplementation(() => true);
  try {
    terminal.out(EVIL);
    return String(write.mock.calls[0]![0]);
  } finally {
    write.mockRestore();
  }
}

test("what members have said is shown on a terminal without steering it; a pipe gets it as it is", () => {
  expect(written(true)).toBe("one\\u001b]0;title\\u0007\ttwo\\u009b31m\nthree\\u202e\n");
  expect(written(false)).toBe(`${EVIL}\n`);
});

test("a question does not steer the terminal either", async () => {
  let asked = "";
  const io = { ask: (text: string) => void (asked += text), readLine: () => Promise.resolve("x") };
  await prompt({ ...io, out: () => {} } as unknown as Terminal, `Candidate ['${EVIL}']`, EVIL);
  expect(asked).not.toMatch(/[\u001b\u0007\u009b\u202e]/);
});
