/** The options of `agent demo`, for its help, completion and man page, and its help. */
export const DEMO_OPTIONS: readonly (readonly [option: string, help: string])[] = [
  ["--ttl <seconds>", "lease of the primary (default 3; 2 is the shortest)"],
  ["--keep", "leave the cluster running, and print how to reach it"],
  [
    "--stop <directory>",
    "end a cluster that --keep left running, also what was started by hand there; remove it",
  ],
  ["--user <name>", "who runs PostgreSQL when this is started as root (default: postgres)"],
];

export const DEMO_EXAMPLES: readonly string[] = [
  "agent demo",
  "agent demo --ttl 2",
  "agent demo --keep",
  "agent demo --stop /tmp/agent-cluster-x1Y2z3",
];

export const DEMO_HELP = `Usage: agent demo [--ttl SECONDS] [--keep] [--user NAME]

Runs a cluster of three nodes on this machine in one temporary directory: bootstrap, switchover, death of the
primary's host, failover, return of the host, while a client writes all the time. Needs PostgreSQL's programs.

${DEMO_OPTIONS.map(([option, help]) => `  ${option.padEnd(18)}  ${help}`).join("\n")}

Examples:
${DEMO_EXAMPLES.map((example) => `  ${example}`).join("\n")}`;
