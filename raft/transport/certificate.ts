/**
 * Which member a certificate stands for: the one whose raft address has a host that its subject alternative
 * names hold, and a member without an address by its name. The common name counts for nothing: certificates
 * of people and programs that only ask have one, too. Pure.
 */
import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { canBeDialed, nameInAddress } from "../node/ids.ts";
import { readHostPort } from "./host_port.ts";

/** Extended key usages. A member dials and is dialed, so that it needs both. */
const SERVER = "1.3.6.1.5.5.7.3.1";
const CLIENT = "1.3.6.1.5.5.7.3.2";
const ANY = "2.5.29.37.0";

const MAX_TEXT = 200;

/**
 * Null: it stands for the member at `addr`. Otherwise, for people, why it does not, and what it should have.
 * `addr` as in the members' records; "": nobody knows it (a member that was removed): then only what the
 * certificate is for counts.
 */
export function certificateFlaw(certificate: X509Certificate, addr: string): string | null {
  const shown = `the certificate for ${plain(namesIn(certificate))}`;
  // The runtime calls the extended key usages so, as Node.js does; undefined: the certificate is for
  // everything.
  const usages = certificate.keyUsage as readonly string[] | undefined;
  if (usages && !usages.includes(ANY) && !(usages.includes(SERVER) && usages.includes(CLIENT))) {
    return `${shown} is no member's: its extended key usage must be both clientAuth and serverAuth, or left out`;
  }
  if (addr === "") return null;
  const wanted = canBeDialed(addr) ? readHostPort(addr)?.host ?? null : nameInAddress(addr);
  if (wanted === null) return `${plain(addr)} is no address that a certificate could stand for`;
  if (holds(certificate, wanted)) return null;
  const name = `${isIP(wanted) === 0 ? "DNS" : "IP"}:${plain(wanted)}`;
  return `${shown} is not the one of the member at ${
    plain(addr)
  }: its subject alternative names must hold ${name}`;
}

function holds(certificate: X509Certificate, host: string): boolean {
  try {
    if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined;
    return certificate.checkHost(host, { subject: "never" }) !== undefined;
  } catch (error) {
    // What is no name at all, no certificate holds.
    if (error instanceof TypeError) return false;
    throw error;
  }
}

function namesIn({ subjectAltName, subject }: X509Certificate): string {
  return subjectAltName ?? `${subject} (without subject alternative names)`;
}

/** For people: on one line and not too long, whatever an authority has signed or a visitor has said. */
function plain(text: string): string {
  const line = text.replace(/[^ -~]+/g, " ");
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}...` : line;
}
