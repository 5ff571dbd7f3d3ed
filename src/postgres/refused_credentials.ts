/** Asks a member whether it accepts the users and passwords of this member. */
import type { Upstream } from "../model/upstream.ts";
import type { Credentials, PostgresqlConfig } from "../model/config.ts";
import { connect, sqlState } from "./connection.ts";
import { errorText } from "./error_text.ts";
import { parseConnUrl } from "./upstream.ts";

const APPLICATION_NAME = "agent check";

/**
 * Keys of the configuration that are refused there, with the reason. A member that does not answer, or
 * refuses this host as a whole by its pg_hba.conf, proves nothing about a password.
 */
export async function refusedCredentials(
  upstream: Upstream,
  { replication, rewind }: Pick<PostgresqlConfig, "replication" | "rewind">,
  usesRewind: boolean,
): Promise<string[]> {
  const address = parseConnUrl(upstream.connUrl);
  if (address === null) return [];
  const endpoint = { host: address.host.split(",")[0]!, port: Number(address.port.split(",")[0]) };
  const ask = async (role: string, credentials: Credentials, isReplication: boolean) => {
    try {
      const connection = await connect({
        endpoint,
        credentials,
        database: isReplication ? "" : "postgres",
        applicationName: APPLICATION_NAME,
        replication: isReplication,
      });
      connection.close();
      return [];
    } catch (error) {
      return isRefusal(error) ? [`postgresql.authentication.${role} (${errorText(error)})`] : [];
    }
  };
  const answers = [
    await ask("replication", replication, true),
    ...(usesRewind ? [await ask("rewind", rewind, false)] : []),
  ];
  return answers.flat();
}

/** A wrong password, a user that does not exist or may not log in. */
export function isRefusal(error: unknown): boolean {
  return sqlState(error) === "28P01" || (sqlState(error) === "28000" && !/pg_hba/.test(errorText(error)));
}
