/**
 * Which program is tried, and who runs it: from the environment that test/setup.sh makes, or sensible without
 * it.
 */
import { join } from "node:path";

export const isRoot = process.getuid?.() === 0;
export const binary = process.env.AGENT_BINARY ?? join(import.meta.dir, "../../dist/agent");
/** User who runs agents and PostgreSQL; null when this process belongs to an ordinary user itself. */
export const user = isRoot ? process.env.AGENT_USER || "postgres" : null;
