/**
 * Names of the slots that the agent made on this directory: an agent started later knows which are its own,
 * and which of them the configuration named. A file of lines, in the data directory.
 */
import { join, modeIn, readText, removeFile, writeAtomically } from "./disk.ts";

/** For a member of the cluster, or because the configuration names it. */
export type Maker = "member" | "permanent";

const FILE = "agent.slots";
const PERMANENT = " permanent";

export function readMadeSlots(dataDir: string): Map<string, Maker> {
  const lines = (readText(join(dataDir, FILE)) ?? "").split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) =>
      line.endsWith(PERMANENT) ? [line.slice(0, -PERMANENT.length), "permanent"] : [line, "member"]
    ),
  );
}

export function writeMadeSlots(dataDir: string, made: ReadonlyMap<string, Maker>): void {
  const lines = [...made].map(([name, maker]) => `${name}${maker === "permanent" ? PERMANENT : ""}\n`).sort();
  writeAtomically(join(dataDir, FILE), lines.join(""), modeIn(dataDir, 0o600));
}

/** A directory copied from another member has that one's list, and none of its slots. */
export function forgetMadeSlots(dataDir: string): void {
  removeFile(join(dataDir, FILE));
}
