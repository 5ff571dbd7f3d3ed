/** Broken rules of the guard and of what feeds the watchdog: who is stopped, and who is who. */
import { type Mutation, mutationsOf } from "./mutation.ts";

export const GUARD_MUTATIONS: readonly Mutation[] = [
  ...mutationsOf("src/guard/local_fence.ts", ["src/guard/local_fence.test.ts"], [
    [
      "own-freeze-forgotten",
      'if (this.state === "frozen" || this.stopped) this',
      'if (this.state === "frozen") this',
    ],
    ["freeze-of-an-earlier-agent-forgotten", "if (!this.heard &&", "if (this.heard &&"],
  ]),
  ...mutationsOf("src/guard/process_group.ts", ["src/guard/process_group.test.ts"], [
    [
      "one-stopped-process-taken-for-all",
      "return this.members().every(isStoppedOrWill);",
      "return this.members().some(isStoppedOrWill);",
    ],
    ["reused-pid-taken-for-its-former-owner", " && process.startTicks === id.startTicks;", ";"],
    [
      "process-with-a-reused-pid-left-out",
      "return id !== null && isSame(id) ? id : null;",
      "return id;",
    ],
    [
      "zombie-taken-for-alive",
      "return process !== null && !isDead(process) && process.startTicks",
      "return process !== null && process.startTicks",
    ],
  ]),
];
