/**
 * Certificates of the members of a demonstration cluster, in files that the agents can read; they protect
 * nothing.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TlsFiles } from "../../raft/mod.ts";
import { Authority } from "../../raft/transport/testing_certificates.ts";

export class RaftCertificates {
  readonly #directory = mkdtempSync(join(tmpdir(), "agent-tls-"));
  readonly #authority = new Authority("members");
  readonly #issued = new Map<string, TlsFiles>();

  constructor() {
    chmodSync(this.#directory, 0o755);
  }

  /** Files of "node1", which is at 127.0.0.1, and so on. */
  files(name: string): TlsFiles {
    const known = this.#issued.get(name);
    if (known !== undefined) return known;
    const files = this.#authority.issue({
      commonName: name,
      names: [`127.0.0.${name.slice("node".length)}`],
    });
    this.#issued.set(name, files);
    mkdirSync(join(this.#directory, name));
    for (const part of ["ca", "cert", "key"] as const) writeFileSync(this.#path(name, part), files[part]);
    return files;
  }

  /** What a client of the REST APIs believes, and shows. */
  client(): TlsFiles {
    return this.#authority.issue({ commonName: "bench", usages: ["clientAuth"] });
  }

  /** `ctl` of a member's file: believes the authority, and shows what `client` shows. */
  clientSection() {
    const files = this.client();
    const paths = { ca: "client-ca.pem", cert: "client-cert.pem", key: "client-key.pem" };
    const path = (part: keyof typeof paths) => join(this.#directory, paths[part]);
    for (const part of ["ca", "cert", "key"] as const) writeFileSync(path(part), files[part]);
    return { certfile: path("cert"), keyfile: path("key"), cacert: path("ca") };
  }

  /** `raft.tls` of this member. */
  section(name: string) {
    this.files(name);
    return {
      certfile: this.#path(name, "cert"),
      keyfile: this.#path(name, "key"),
      cafile: this.#path(name, "ca"),
    };
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #path(name: string, part: keyof TlsFiles): string {
    return join(this.#directory, name, `${part}.pem`);
  }
}
