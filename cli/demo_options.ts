/** The options of `agent demo`, for its help, completion and man page. */
export const DEMO_OPTIONS: readonly (readonly [option: string, help: string])[] = [
  ["--ttl <seconds>", "lease of the primary (default 5; 2 is the shortest)"],
  ["--keep", "leave the cluster running, and print how to reach it"],
  ["--stop <directory>", "end a cluster that --keep left running, and remove its directory"],
  ["--user <name>", "who runs PostgreSQL when this is started as root (default: postgres)"],
];

export const DEMO_EXAMPLES: readonly string[] = ["agent demo", "agent demo --ttl 2", "agent demo --keep"];
