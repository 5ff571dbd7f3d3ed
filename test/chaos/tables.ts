/** What the clients of a chaos run write to. */
import { CLIENT_TABLE } from "../../src/demo/client_process.ts";

export const REGISTER_TABLE = "chaos_register";
export const LIST_TABLE = "chaos_list";

/** The timeline that a primary writes on; null on a standby. */
export const TIMELINE = "('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int";

/**
 * The table of the client with unique values is made here, with the timeline of each row: that client does
 * not know of it.
 */
export const TABLES = [
  `CREATE TABLE ${CLIENT_TABLE} (id bigint PRIMARY KEY, node text NOT NULL, timeline int NOT NULL DEFAULT (${TIMELINE}))`,
  `CREATE TABLE ${REGISTER_TABLE} (key int PRIMARY KEY, value bigint NOT NULL)`,
  `CREATE TABLE ${LIST_TABLE} (key int PRIMARY KEY, items bigint[] NOT NULL)`,
];
