/** Certificate files of the REST API, read together so that a half-replaced pair is noticed as a change. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";

export interface CertificatePaths {
  readonly certfile: string;
  /** null: the key is in certfile. */
  readonly keyfile: string | null;
  readonly keyfilePassword: string | null;
  readonly cafile: string | null;
}

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
  readonly passphrase: string | undefined;
  /** Changes with any of the files. */
  readonly fingerprint: string;
}

/** Throws what reading a file throws. */
export function readCertificates(paths: CertificatePaths): CertificateFiles {
  const cert = readFileSync(paths.certfile, "utf8");
  const key = paths.keyfile === null ? cert : readFileSync(paths.keyfile, "utf8");
  const ca = paths.cafile === null ? undefined : readFileSync(paths.cafile, "utf8");
  const passphrase = paths.keyfilePassword ?? undefined;
  const hash = createHash("sha256");
  for (const part of [cert, key, ca ?? "", passphrase ?? ""]) hash.update(`${part.length}:`).update(part);
  return { cert, key, ca, passphrase, fingerprint: hash.digest("hex") };
}

/** Why no listener could use them: half of a renewed pair, a file that is not whole; null: one can. */
export function certificateFault({ cert, key, ca, passphrase }: CertificateFiles): string | null {
  try {
    createSecureContext({ cert, key, ca, passphrase });
    return null;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ERR_OSSL_X509_KEY_VALUES_MISMATCH" ? "the key is not that of the certificate" : message;
  }
}
