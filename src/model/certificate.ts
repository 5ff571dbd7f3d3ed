/** When the certificates of a node end, as users and members see it. */

/** The settings that name a certificate whose end stops something. */
export const CERTIFICATE_KEYS = [
  "raft.tls.certfile",
  "raft.tls.cafile",
  "restapi.certfile",
  "restapi.cafile",
  "postgresql.parameters.ssl_cert_file",
  "postgresql.parameters.ssl_ca_file",
] as const;
export type CertificateKey = (typeof CERTIFICATE_KEYS)[number];

/** Files of certificates that a running PostgreSQL says it uses; null: none. */
export interface ServerCertificateFiles {
  readonly certfile: string | null;
  readonly cafile: string | null;
}

export interface CertificateEnd {
  /** A later version may name others. */
  readonly key: CertificateKey;
  /** ISO 8601. */
  readonly ends: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** It is told of when so many days are left. */
const TOLD_DAYS = [1, 7, 30] as const;

/** Days; 0: it has ended. */
export type Nearness = 0 | (typeof TOLD_DAYS)[number];

/**
 * The smallest of the limits that it is within; null: it is far away. One that is made for a day is not near
 * its end all the time: of `lifeMs`, only limits that are shorter count.
 */
export function nearnessOf(ends: string, lifeMs: number, wallMs: number): Nearness | null {
  const leftMs = Date.parse(ends) - wallMs;
  if (leftMs <= 0) return 0;
  return TOLD_DAYS.find((days) => leftMs <= days * DAY_MS && days * DAY_MS < lifeMs) ?? null;
}

/** `in 6 days`, `in 5 hours`, `has ended`; in whole units, rounded down. */
export function endText(ends: string, wallMs: number): string {
  const leftMs = Date.parse(ends) - wallMs;
  if (Number.isNaN(leftMs)) return "ends";
  if (leftMs <= 0) return "has ended";
  const days = Math.floor(leftMs / DAY_MS);
  if (days >= 2) return `ends in ${days} days`;
  const hours = Math.floor(leftMs / (60 * 60 * 1000));
  return hours >= 2 ? `ends in ${hours} hours` : "ends within 2 hours";
}
