/**
 * Certificates for `raft.tls` of a test cluster's members, readable by the user who runs the agents: they
 * protect nothing.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TlsFiles } from "../../raft/mod.ts";
import { Authority } from "../../raft/transport/testing_certificates.ts";
import type { JsonObject } from "../../src/model/json.ts";

export class Certificates {
  readonly authority = new Authority("members");
  readonly #directory = mkdtempSync(join(tmpdir(), "agent-tls-"));

  constructor() {
    chmodSync(this.#directory, 0o755);
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  fileOf(name: string, part: keyof TlsFiles): string {
    return join(this.#directory, name, `${part}.pem`);
  }

  /** As the member `name` has them. */
  write(name: string, files: TlsFiles): void {
    mkdirSync(join(this.#directory, name), { recursive: true });
    for (const part of ["ca", "cert", "key"] as const) writeFileSync(this.fileOf(name, part), files[part]);
  }

  /** For the address that the demonstration gives it: node1 is at 127.0.0.1, and so on. */
  issue(name: string, authority = this.authority): TlsFiles {
    return authority.issue({ commonName: name, names: [`127.0.0.${name.slice("node".length)}`] });
  }

  /** Issues and writes those of the member, and says where they are. */
  override(name: string): JsonObject {
    this.write(name, this.issue(name));
    const [certfile, keyfile, cafile] = (["cert", "key", "ca"] as const).map((part) =>
      this.fileOf(name, part)
    );
    return { raft: { tls: { certfile: certfile!, keyfile: keyfile!, cafile: cafile! } } };
  }
}
