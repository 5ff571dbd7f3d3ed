/**
 * Finds the member that a certificate stands for: its subject alternative names hold the host of the member's
 * raft address, or the name of a member without an address. The common name does not count: certificates of
 * people and of programs that only ask have one, too. Pure.
 */
import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { canBeDialed, nameInAddress } from "../node/ids.ts";
import { readHostPort } from "./host_port.ts";

/** Extended key usages. A member dials and is dialed, so it needs both. */
const SERVER = "1.3.6.1.5.5.7.3.1";
const CLIENT = "1.3.6.1.5.5.7.3.2";
const ANY = "2.5.29.37.0";

const MAX_TEXT = 200;

/**
 * Null: the certificate stands for the member at `addr`. Otherwise says, for people, why it does not, and
 * what it should have. `addr` is as in the members' records; "": it is not known (of a removed member), and
 * only the certificate's purpose counts.
 */
export function certificateFlaw(certificate: X509Certificate, addr: string): string | null {
  const shown = `the certificate for ${plain(namesIn(certificate))}`;
  // The runtime has the extended key usages under this name, as Node.js does; undefined: the certificate is
  // for everything.
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
    // No certificate holds what is no name at all.
    if (error instanceof TypeError) return false;
    throw error;
  }
}

function namesIn({ subjectAltName, subject }: X509Certificate): string {
  return subjectAltName ?? `${subject} (without subject alternative names)`;
}

/** Text for people: one line and not too long, whatever an authority has signed or a visitor has said. */
function plain(text: string): string {
  const line = text.replace(/[^ -~]+/g, " ");
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}...` : line;
}
