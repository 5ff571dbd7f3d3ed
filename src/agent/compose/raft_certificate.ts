/**
 * Checks whose certificate `raft.tls.certfile` is: it stands for this member, and should stand for no other.
 */
import { X509Certificate } from "node:crypto";
import { certificateFlaw } from "../../../raft/mod.ts";
import type { LocalConfig } from "../../model/config.ts";
import { raftAddress } from "../peers/raft_address.ts";

type Addresses = Pick<LocalConfig, "name" | "raft">;

/** `cert`: PEM. For people, why the other members would refuse it; null: they take it. */
export function ownCertificateFlaw(cert: string, config: Addresses): string | null {
  try {
    const flaw = certificateFlaw(new X509Certificate(cert), raftAddress(config));
    return flaw === null
      ? null
      : `${flaw}. The other members know this one by that address, and would refuse it`;
  } catch (error) {
    return `it is no certificate in PEM: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Partners for which a certificate without flaw stands as well. */
export function alsoStandsFor(cert: string, { raft }: Addresses): string[] {
  const certificate = new X509Certificate(cert);
  return raft.partnerAddrs.filter((addr) => certificateFlaw(certificate, addr) === null);
}
