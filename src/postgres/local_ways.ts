/**
 * The ways to this member's own server, and the order in which they are tried: pure. Every way that the
 * configuration allows may be the only one that works: pg_hba.conf may refuse the socket, a certificate is
 * for the host's name, a firewall stands between.
 */
import type { PostgresqlConfig } from "../model/config.ts";
import { parseHostPort } from "../model/host_port.ts";
import { join } from "./disk.ts";
import type { Endpoint } from "./connection.ts";
import type { PostmasterPid } from "./postmaster_pid.ts";

export type WaysConfig = Pick<
  PostgresqlConfig,
  "useUnixSocket" | "listenAddresses" | "port" | "connectAddress" | "dataDir"
>;

/**
 * Best first. The running server's own file (postmaster.pid) counts before the configuration, which may be
 * newer. `socketDirectories`: unix_socket_directories as configured; null: not configured.
 */
export function localWays(
  config: WaysConfig,
  pidFile: PostmasterPid | null,
  socketDirectories: string | null,
): Endpoint[] {
  const port = pidFile?.port ?? config.port;
  const listen = [...(pidFile?.listenAddress ? [pidFile.listenAddress] : []), ...config.listenAddresses];
  // Without a TCP address in its file, the server listens on none.
  const listens = pidFile === null || pidFile.listenAddress !== null;
  const published = parseHostPort(config.connectAddress);
  const tcp = !listens ? [] : [
    ...listen.flatMap(reachable).map((host) => ({ host, port })),
    // Last: it may lead to another server. The server that answers there is checked.
    ...(published === null ? [] : [{ host: published.host, port: published.port }]),
  ];
  const directories = [
    ...(pidFile?.socketDir ? [pidFile.socketDir] : []),
    ...splitDirectories(socketDirectories ?? ""),
  ];
  const sockets = placesOf(directories, config.dataDir).map((host) => ({ host, port }));
  const all = config.useUnixSocket ? [...sockets, ...tcp] : [...tcp, ...sockets];
  return all.filter((way, at) => all.findIndex((other) => wayText(other) === wayText(way)) === at);
}

/** The socket directories of a server that has this setting; null: not configured, so those of its builds. */
export function socketDirectories(setting: string | null, dataDir: string): string[] {
  return setting === null ? ["/var/run/postgresql", "/tmp"] : placesOf(splitDirectories(setting), dataDir);
}

/**
 * As the server reads them: relative ones lie in its data directory. Those of the abstract namespace have no
 * path.
 */
function placesOf(directories: readonly string[], dataDir: string): string[] {
  return directories.filter((directory) => !directory.startsWith("@"))
    .map((directory) => directory.startsWith("/") ? directory : join(dataDir, directory));
}

/** For people: `/run/postgresql:5432`, `db1:5432`, `[::1]:5432`. */
export function wayText({ host, port }: Endpoint): string {
  return host.includes(":") && !host.startsWith("/") ? `[${host}]:${port}` : `${host}:${port}`;
}

function reachable(listenAddress: string): string[] {
  switch (listenAddress) {
    case "*":
    case "":
      return ["127.0.0.1", "::1"];
    case "0.0.0.0":
      return ["127.0.0.1"];
    case "::":
      return ["::1"];
    default:
      return [listenAddress];
  }
}

/** Splits the list as PostgreSQL reads it: commas, blanks around them, double quotes. */
function splitDirectories(list: string): string[] {
  return [...list.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,"]*))\s*(?:,|$)/g)]
    .map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? (bare ?? "").trim())
    .filter((directory) => directory !== "");
}

/** How a failed attempt ended. */
export type WayFailure =
  /** The server, or the host, said no. */
  | "refused"
  /** Nothing was heard in time. */
  | "timeout"
  /** The server answered, and would say the same on every other way: it starts, it stops, it has no room. */
  | "server";

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
/** After so many timeouts in a row a way that worked before is not the first any more. */
const TIMEOUTS = 2;

/** The next way to one running server, and when to try it. Times in ms of a clock that does not go back. */
export class WayMemory {
  #worked: string | null;
  #timeouts = 0;
  /** Ways that were waited for in vain come last: each costs the whole time that there is. */
  #late = new Set<string>();
  #failedRounds = 0;
  #notBeforeMs = -Infinity;

  /** `worked`: the way that an earlier memory knew. */
  constructor(worked: string | null = null) {
    this.#worked = worked;
  }

  /** The one that works, or worked last; null: none yet. */
  get worked(): string | null {
    return this.#worked;
  }

  order(ways: readonly Endpoint[]): Endpoint[] {
    const rank = (way: Endpoint) => {
      const text = wayText(way);
      return text === this.#worked ? 0 : this.#late.has(text) ? 2 : 1;
    };
    return [...ways].sort((a, b) => rank(a) - rank(b));
  }

  /** ms until another attempt makes sense. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#notBeforeMs - nowMs);
  }

  succeeded(way: Endpoint): void {
    this.#worked = wayText(way);
    this.#late.delete(this.#worked);
    this.#timeouts = 0;
    this.#failedRounds = 0;
    this.#notBeforeMs = -Infinity;
  }

  failed(way: Endpoint, how: WayFailure): void {
    const text = wayText(way);
    if (how !== "timeout") return;
    this.#late.add(text);
    if (text === this.#worked && ++this.#timeouts >= TIMEOUTS) this.#worked = null;
  }

  /**
   * No way worked. The delay grows from round to round, and a server that only starts is asked again soon.
   */
  nothingWorked(nowMs: number, starting: boolean): void {
    if (starting) return;
    this.#notBeforeMs = nowMs + Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failedRounds);
    this.#failedRounds = Math.min(this.#failedRounds + 1, 30);
  }
}
