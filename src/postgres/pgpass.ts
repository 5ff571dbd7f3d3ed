/**
 * The password file: the only place besides memory where the agent keeps passwords for connections of
 * PostgreSQL's programs.
 */
import type { Credentials } from "../model/config.ts";
import { dirname, makeDirectory, permissions, setPermissions, writeAtomically } from "./disk.ts";
import { quotePgpass } from "./quote.ts";
import { parseConnUrl, type ServerAddress } from "./upstream.ts";

const FILE_MODE = 0o600;

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
 * Grows by the members that the agent connects to and never forgets one while the agent lives: a WAL
 * receiver reads the file again at each reconnect, also for an upstream that has just been replaced.
 * Passwords are those in force at each writing.
 */
export class PgpassFile {
  readonly #addresses = new Map<string, ServerAddress>();
  readonly path: string;
  readonly #users: () => readonly Credentials[];

  /** `users`: the users with their passwords, as configured now. */
  constructor(path: string, users: () => readonly Credentials[]) {
    this.path = path;
    this.#users = users;
  }

  /** Makes connections to the member possible. */
  allow(connUrl: string): void {
    const address = parseConnUrl(connUrl);
    if (address === null) return;
    this.#addresses.set(connUrl, address);
    this.mend();
  }

  /** True when the file was not as it should be, and had to be written (mode 0600). */
  mend(): boolean {
    if (this.#addresses.size === 0) return false;
    makeDirectory(dirname(this.path), 0o700);
    const written = writeAtomically(this.path, formatPgpass(this.#entries()), FILE_MODE);
    // libpq ignores, with a warning, a file that others may read.
    const open = permissions(this.path) !== FILE_MODE;
    if (open) setPermissions(this.path, FILE_MODE);
    return written || open;
  }

  #entries(): PgpassEntry[] {
    const entries = new Map<string, PgpassEntry>();
    for (const address of this.#addresses.values()) {
      const ports = address.port.split(",");
      for (const [at, host] of address.host.split(",").entries()) {
        for (const { username, password } of this.#users()) {
          if (password === null) continue;
          const port = ports[at] ?? "5432";
          entries.set(JSON.stringify([host, port, username]), { host, port, username, password });
        }
      }
    }
    return [...entries.values()];
  }
}
