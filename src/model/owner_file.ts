/**
 * File inside of a data directory that says which agent owns it, written by its guard
 * (src/guard/directory_owner.ts). No part of the database: it is neither copied to other members nor a reason
 * to take an empty directory for a used one.
 */
export const OWNER_FILE = "agent.owner";
