/**
 * Knows when the certificates of this node end, and says it 30, 7 and 1 days before. Reads the files without
 * holding the loop, once a minute; what is done about renewed ones is not decided here (tls_watch.ts, the
 * server of the REST interface, and server_certificates.ts for those of PostgreSQL).
 */
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Clock } from "../../../raft/mod.ts";
import type { Log } from "../../lib/log.ts";
import {
  type CertificateEnd,
  type CertificateKey,
  endText,
  type Nearness,
  nearnessOf,
  type ServerCertificateFiles,
} from "../../model/certificate.ts";
import type { LocalConfig } from "../../model/config.ts";

const LOOK_MS = 60_000;
/** Authorities in one file. The operating system's own, more than a hundred, are nobody's to renew here. */
const MOST_AUTHORITIES = 20;

export interface CertificateExpiryOptions {
  readonly config: () => LocalConfig;
  readonly wallMs: () => number;
  readonly log: Log;
}

interface Known extends CertificateEnd, Life {
  readonly file: string;
  readonly text: string;
}

interface Life {
  /** ISO 8601. */
  readonly ends: string;
  readonly lifeMs: number;
}

export class CertificateExpiry {
  readonly #options: CertificateExpiryOptions;
  readonly #known = new Map<CertificateKey, Known>();
  /** Those of which was told that they are not valid yet. */
  readonly #early = new Set<CertificateKey>();
  /** The last line about each. */
  readonly #told = new Map<CertificateKey, { readonly ends: string; readonly near: Nearness }>();

  #ofServer: ServerCertificateFiles = { certfile: null, cafile: null };

  constructor(options: CertificateExpiryOptions) {
    this.#options = options;
  }

  /** Begins to look, and goes on until the process ends. */
  start(clock: Clock): void {
    void this.look().then(() => clock.after(LOOK_MS, () => this.start(clock)));
  }

  /** PostgreSQL says what it uses, when it has started or was told to reload. */
  serverUses(files: ServerCertificateFiles): void {
    if (files.certfile === this.#ofServer.certfile && files.cafile === this.#ofServer.cafile) return;
    this.#ofServer = files;
    void this.look();
  }

  /** As they were read last. */
  get readings(): readonly CertificateEnd[] {
    return [...this.#known.values()].map(({ key, ends }) => ({ key, ends }));
  }

  /** Those that end within 30 days, or have. */
  get ending(): readonly CertificateEnd[] {
    const wallMs = this.#options.wallMs();
    return [...this.#known.values()].filter(({ ends, lifeMs }) => nearnessOf(ends, lifeMs, wallMs) !== null)
      .map(({ key, ends }) => ({ key, ends }));
  }

  /** Never rejects. */
  async look(): Promise<void> {
    const files = filesOf(this.#options.config(), this.#ofServer);
    for (const key of [...this.#known.keys()]) {
      if (!files.some((one) => one.key === key)) this.#forget(key);
    }
    for (const { key, file } of files) await this.#read(key, file);
    for (const known of this.#known.values()) {
      this.#tellEarly(known);
      this.#tell(known);
    }
  }

  /** A file that cannot be read leaves what was known of it: the certificate in use still ends. */
  async #read(key: CertificateKey, file: string): Promise<void> {
    const text = await readFile(file, "utf8").catch(() => null);
    const known = this.#known.get(key);
    if (text === null || (known?.text === text && known.file === file)) return;
    const life = lifeOf(key, text);
    if (life === null) this.#forget(key);
    else this.#known.set(key, { key, file, ...life, text });
  }

  #forget(key: CertificateKey): void {
    this.#known.delete(key);
    this.#told.delete(key);
    this.#early.delete(key);
  }

  /** Mostly it is not the certificate that is wrong, but the clock of a host that was just booted. */
  #tellEarly({ key, file, ends, lifeMs }: Known): void {
    const { wallMs, log } = this.#options;
    const nowMs = wallMs();
    const beginMs = Date.parse(ends) - lifeMs;
    if (nowMs >= beginMs) return void this.#early.delete(key);
    if (this.#early.has(key)) return;
    this.#early.add(key);
    const [begins, now] = [beginMs, nowMs].map((ms) => new Date(ms).toISOString());
    log.error(
      "certificate",
      `${key}: the certificate in ${file} is not valid before ${begins}, and the clock of this host says ${now}: ` +
        "nobody takes it by that clock. Set the clock, or put another one in its place",
    );
  }

  #tell({ key, file, ends, lifeMs }: Known): void {
    const { wallMs, log } = this.#options;
    const near = nearnessOf(ends, lifeMs, wallMs());
    const told = this.#told.get(key);
    if (near === null) {
      if (told !== undefined) {
        log.info("certificate", `${key}: ${file} was renewed, and is valid until ${ends}`);
      }
      this.#told.delete(key);
      return;
    }
    if (told !== undefined && told.ends === ends && told.near <= near) return;
    this.#told.set(key, { ends, near });
    const level = near <= 1 ? "error" : "warning";
    const what = `${key}: the certificate in ${file} ${endText(ends, wallMs())} (${ends})`;
    log[level]("certificate", `${what}. Put a renewed one in its place: it is taken without a restart`);
  }
}

function filesOf(
  { raft, restapi }: LocalConfig,
  server: ServerCertificateFiles,
): { key: CertificateKey; file: string }[] {
  const files: { readonly [key in CertificateKey]: string | null } = {
    "raft.tls.certfile": raft.tls?.certfile ?? null,
    "raft.tls.cafile": raft.tls?.cafile ?? null,
    "restapi.certfile": restapi.certfile,
    "restapi.cafile": restapi.certfile === null ? null : restapi.cafile,
    "postgresql.parameters.ssl_cert_file": server.certfile,
    "postgresql.parameters.ssl_ca_file": server.cafile,
  };
  return Object.entries(files).flatMap(([key, file]) =>
    file === null ? [] : [{ key: key as CertificateKey, file }]
  );
}

const AUTHORITIES: readonly CertificateKey[] = [
  "raft.tls.cafile",
  "restapi.cafile",
  "postgresql.parameters.ssl_ca_file",
];
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * The end and the length of its life; null: nothing in it that can be read. A chain ends with the first of
 * its certificates. Of several authorities, one that ends makes room for the next one: the last counts.
 */
export function lifeOf(key: CertificateKey, text: string): Life | null {
  const isAuthority = AUTHORITIES.includes(key);
  const found = text.match(PEM) ?? [];
  if (isAuthority && found.length > MOST_AUTHORITIES) return null;
  const lives = found.flatMap((pem) => lifeOfOne(pem) ?? []).sort((a, b) => a.endMs - b.endMs);
  const life = isAuthority ? lives.at(-1) : lives[0];
  if (life === undefined) return null;
  return { ends: new Date(life.endMs).toISOString(), lifeMs: life.endMs - life.beginMs };
}

function lifeOfOne(pem: string): { readonly beginMs: number; readonly endMs: number } | null {
  try {
    const { validFrom, validTo } = new X509Certificate(pem);
    return { beginMs: Date.parse(validFrom), endMs: Date.parse(validTo) };
  } catch {
    return null; // no certificate: the part that uses the file says so
  }
}
