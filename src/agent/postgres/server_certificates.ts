/**
 * Renewed certificate files of the server (ssl_cert_file and the like): PostgreSQL reads them when it is told
 * to reload its configuration, and not before. Else a certificate that was renewed in time would end. Whose
 * end is near is not told here (certificate_expiry.ts), but which files they are.
 */
import { isAbsolute } from "node:path";
import { fileState } from "../../lib/file_state.ts";
import { changedAtMs, join } from "../../postgres/disk.ts";
import { errorText } from "../../postgres/error_text.ts";
import type { PostgresContext } from "./context.ts";

/** As the server has them now, and when it last read its configuration. */
const TLS_QUERY = "SELECT name, setting FROM pg_settings WHERE name IN " +
  "('ssl', 'ssl_cert_file', 'ssl_key_file', 'ssl_ca_file', 'ssl_crl_file', 'ssl_crl_dir') UNION ALL " +
  "SELECT 'loaded', (extract(epoch FROM pg_conf_load_time()) * 1000)::bigint::text";
/** Other files may be in use by then. */
const ASK_AGAIN_MS = 300_000;

export class ServerCertificates {
  readonly #context: PostgresContext;
  #files: readonly string[] = [];
  /** The server and its files as they were at the last question. */
  #seen = "";
  #askDueMs = 0;
  /** The files for which it was told to reload last, with their times; only what reached it counts. */
  #told = "";

  constructor(context: PostgresContext) {
    this.#context = context;
  }

  /** Looks at the files, and asks the server only when they have changed. Never rejects. */
  async look(): Promise<void> {
    const { server, memory, log, clock } = this.#context.parts;
    const running = memory.server;
    if (running?.ready !== true) return;
    const state = () => `${running.pid}\n${fileState(this.#files)}`;
    if (state() === this.#seen && clock.now() < this.#askDueMs) return;
    try {
      const rows = await server.with({}, (connection) => connection.query(TLS_QUERY));
      const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting ?? ""]));
      const files = tlsFiles(settings, this.#context.dataDir);
      this.#files = [...files.values()];
      this.#context.parts.certificatesUsed({
        certfile: files.get("ssl_cert_file") ?? null,
        cafile: files.get("ssl_ca_file") ?? null,
      });
      // Noted before they are judged: a change in between is seen at the next look.
      this.#seen = state();
      this.#askDueMs = clock.now() + ASK_AGAIN_MS;
      await this.#reloadFor(renewedFiles(this.#files, Number(settings["loaded"]), changedAtMs));
    } catch (error) {
      log.debug("server_certificates", `the server's certificates are not known: ${errorText(error)}`);
    }
  }

  async #reloadFor(renewed: readonly RenewedFile[]): Promise<void> {
    const told = renewed.map(({ file, atMs }) => `${file} ${atMs}`).join("\n");
    // With a clock that was set back, they stay newer than the configuration.
    if (renewed.length === 0 || told === this.#told) return;
    const files = renewed.map(({ file }) => file).join(", ");
    this.#context.info(`${files}: changed since PostgreSQL read its certificates: reloading PostgreSQL`);
    if (await this.#context.reload()) this.#told = told;
  }
}

interface RenewedFile {
  readonly file: string;
  readonly atMs: number;
}

/** Absolute paths by their parameter; none where the server has no TLS. */
export function tlsFiles(
  { ssl, loaded: _, ...named }: { readonly [name: string]: string | undefined },
  dataDir: string,
): ReadonlyMap<string, string> {
  if (ssl !== "on") return new Map();
  return new Map(
    Object.entries(named).flatMap(([name, file]) =>
      file === undefined || file === "" ? [] : [[name, isAbsolute(file) ? file : join(dataDir, file)]]
    ),
  );
}

/** Files that changed after the server had read them. `changedAt`: null: no such file. */
export function renewedFiles(
  files: readonly string[],
  loadedMs: number,
  changedAt: (path: string) => number | null,
): readonly RenewedFile[] {
  return files.flatMap((file) => {
    const atMs = changedAt(file);
    return atMs !== null && atMs > loadedMs ? [{ file, atMs }] : [];
  });
}
