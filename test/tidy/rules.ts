/**
 * The layout of the project as data: who may import whom, what is pure, and which files touch the runtime.
 * A new direction or a new file that touches the runtime is a decision, and this is where it is written down.
 */

/** A path prefix. `types` may be imported with `import type` only. */
export interface Direction {
  readonly from: string;
  readonly may: readonly string[];
  readonly types?: readonly string[];
}

/** The first direction whose `from` fits the file counts; what it does not name is forbidden. */
export const DIRECTIONS: readonly Direction[] = [
  { from: "raft/core/", may: ["raft/core/"], types: ["raft/node/ports.ts"] },
  { from: "raft/sim/", may: ["raft/"] },
  { from: "raft/examples/", may: ["raft/mod.ts"] },
  { from: "raft/bench/", may: ["raft/bench/", "raft/mod.ts"] },
  { from: "raft/", may: ["raft/core/", "raft/storage/", "raft/transport/", "raft/node/", "raft/sim/mod.ts"] },

  { from: "src/lib/", may: ["src/lib/"], types: ["raft/mod.ts"] },
  { from: "src/model/", may: ["src/model/", "src/lib/"] },
  { from: "src/config/", may: ["src/config/", "src/model/", "src/lib/"] },
  // A member's tags are judged by one rule, in its file and in the log.
  { from: "src/sync/", may: ["src/sync/", "src/model/", "src/lib/"] },
  {
    from: "src/dcs/",
    may: ["src/dcs/", "src/sync/", "src/config/tags.ts", "src/model/", "src/lib/", "raft/mod.ts"],
  },
  { from: "src/lease/", may: ["src/lease/", "src/dcs/", "src/model/", "src/lib/"] },
  {
    from: "src/brain/",
    may: ["src/brain/", "src/lease/", "src/sync/", "src/dcs/", "src/model/", "src/lib/"],
  },
  {
    from: "src/postgres/",
    may: ["src/postgres/", "src/sync/setting.ts", "src/config/", "src/model/", "src/lib/"],
  },
  {
    from: "src/guard/",
    may: ["src/guard/", "src/lease/stop_budget.ts", "src/model/", "src/lib/"],
    types: ["raft/mod.ts"],
  },
  {
    from: "src/api/",
    may: ["src/api/", "src/brain/cluster/", "src/config/", "src/model/", "src/lib/"],
    types: ["raft/mod.ts"],
  },
  {
    from: "src/agent/",
    may: [
      "src/agent/",
      "src/api/",
      "src/guard/",
      "src/postgres/",
      "src/brain/",
      "src/lease/",
      "src/sync/",
      "src/dcs/",
      "src/config/",
      "src/model/",
      "src/lib/",
      "raft/mod.ts",
    ],
  },
  {
    from: "src/sim/",
    may: [
      "src/sim/",
      "src/agent/",
      "src/postgres/",
      "src/guard/",
      "src/brain/",
      "src/lease/",
      "src/sync/",
      "src/dcs/",
      "src/config/",
      "src/model/",
      "src/lib/",
      "raft/mod.ts",
      "raft/sim/mod.ts",
    ],
  },
  { from: "src/demo/", may: ["src/demo/", "src/api/client.ts", "src/model/", "src/lib/"] },

  // What it shows is on this host's disk, and no agent need run.
  {
    from: "cli/ctl/raft_dump",
    may: [
      "cli/ctl/",
      "src/api/client.ts",
      "src/config/",
      "src/model/",
      "src/lib/",
      "src/dcs/",
      "raft/mod.ts",
    ],
  },
  // The same, as the records that it amounts to.
  {
    from: "cli/ctl/local_records",
    may: ["cli/ctl/", "src/model/", "src/lib/", "src/dcs/", "raft/mod.ts"],
  },
  // The same, as members answer it.
  {
    from: "cli/ctl/local_answers",
    may: ["cli/ctl/", "src/api/", "src/brain/", "src/config/", "src/model/"],
  },
  { from: "cli/ctl/", may: ["cli/ctl/", "src/api/client.ts", "src/config/", "src/model/", "src/lib/"] },
  { from: "cli/", may: ["cli/", "src/", "raft/mod.ts"] },
  { from: "test/tidy", may: ["test/tidy/"] },
  { from: "test/", may: ["test/", "src/", "cli/"] },
];

/** Folders whose code only computes: no input or output, no time, no chance, nothing asynchronous. */
export const PURE: readonly string[] = [
  "raft/core/",
  "src/model/",
  "src/config/",
  "src/dcs/",
  "src/lease/",
  "src/sync/",
  "src/brain/",
  "src/api/ui/page/model/",
  "src/api/ui/page/tree/",
];

/** Packages that pure code may use, because they only compute as well. */
export const PURE_PACKAGES: readonly string[] = ["yaml", "zod"];

/** The global `process`, and not a variable of that name. */
const PROCESS =
  /(?<![.\w])process\s*\.\s*(?:argv|chdir|cwd|env|execPath|exit|exitCode|getuid|hrtime|kill|memoryUsage|nextTick|off|on|once|platform|stderr|stdin|stdout|umask|uptime|versions?)\b/;

export const IMPURE_CODE: readonly { readonly name: string; readonly pattern: RegExp }[] = [
  { name: "async or await", pattern: /\b(?:async|await)\b/ },
  { name: "Promise", pattern: /\bPromise\b/ },
  // Date.parse reads a text and no clock.
  { name: "Date", pattern: /\bDate\b(?!\s*\.\s*parse\b)/ },
  { name: "Math.random", pattern: /\bMath\s*\.\s*random\b/ },
  { name: "crypto", pattern: /\bcrypto\s*\./ },
  { name: "performance", pattern: /\bperformance\s*\./ },
  { name: "process", pattern: PROCESS },
  { name: "console", pattern: /\bconsole\s*\./ },
  { name: "Bun", pattern: /(?<![.\w])Bun\s*\./ },
  { name: "a timer", pattern: /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/ },
  { name: "fetch", pattern: /(?<![.\w])fetch\s*\(/ },
];

/** What makes a file one that touches the runtime. */
export const RUNTIME_MODULES = /^(?:node:|bun$|bun:)/;
export const RUNTIME_CODE = new RegExp(`(?<![.\\w])Bun\\s*\\.\\s*\\w|${PROCESS.source}`);
/** Built-in modules that only compute: they make no file one that touches the runtime. */
export const HARMLESS_MODULES: readonly string[] = ["node:path", "node:util", "bun:test"];
