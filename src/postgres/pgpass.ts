/** The password file: the only place besides memory where we keep passwords for connections of PostgreSQL's programs. */
import type { Credentials } from "../model/config.ts";
import { dirname, makeDirectory, setPermissions, writeAtomically } from "./disk.ts";
import { quotePgpass } from "./quote.ts";
import { parseConnUrl } from "./upstream.ts";

export interface PgpassEntry {
  readonly host: string;
  readonly port: string;
  readonly username: string;
  readonly password: string;
}

export function formatPgpass(entries: readonly PgpassEntry[]): string {
  return entries.map((entry) =>
    [entry.host, entry.port, "*", entry.username, entry.password].map((field, at) =>
      at === 2 ? "*" : quotePgpass(field)
    )
      .join(":") + "\n"
  ).join("");
}

/**
 * Grows by the members that we connect to and never forgets one while the agent lives: a WAL receiver reads the file
 * again at each reconnect, also for an upstream that has just been replaced.
 */
export class PgpassFile {
  private readonly entries = new Map<string, PgpassEntry>();

  constructor(readonly path: string) {}

  /** Makes connections as these users to the member possible. Written with mode 0600. */
  allow(connUrl: string, users: readonly Credentials[]): void {
    const address = parseConnUrl(connUrl);
    if (address === null) return;
    const hosts = address.host.split(",");
    const ports = address.port.split(",");
    hosts.forEach((host, at) => {
      for (const { username, password } of users) {
        if (password === null) continue;
        const port = ports[at] ?? "5432";
        this.entries.set(JSON.stringify([host, port, username]), { host, port, username, password });
      }
    });
    makeDirectory(dirname(this.path), 0o700);
    writeAtomically(this.path, formatPgpass([...this.entries.values()]), 0o600);
    // libpq ignores, with a warning, a file that others may read.
    setPermissions(this.path, 0o600);
  }
}
