/**
 * Finds where the program listens, and refuses one port twice in one file: the second listener would fail,
 * and the message would blame another process.
 */
import type { HostPort, LocalConfig } from "../model/config.ts";
import type { Issues, Path } from "./issues.ts";
import { addressesClash, formatHostPort, parseHostPort } from "../model/host_port.ts";

type Sections = { readonly [Key in "raft" | "restapi" | "postgresql"]: LocalConfig[Key] | null };

/** A setting that says where to listen. */
export interface Listener {
  readonly path: Path;
  readonly addresses: readonly HostPort[];
}

/** A section that is null has errors of its own, or is not there (a witness has no postgresql). */
export function checkPorts(sections: Sections, issues: Issues): void {
  const listeners = listenersOf(sections);
  listeners.forEach((one, i) => {
    for (const other of listeners.slice(i + 1)) checkPair(one, other, issues);
  });
}

/** The listeners of the sections that are there. */
export function listenersOf({ raft, restapi, postgresql }: Sections): Listener[] {
  const listeners: Listener[] = [];
  // null on a member without a vote, which listens on any free port.
  const bind = raft && parseHostPort(raft.bindAddr);
  if (bind) {
    listeners.push({
      path: ["raft", raft.bindAddr === raft.selfAddr ? "self_addr" : "bind_addr"],
      addresses: [bind],
    });
  }
  if (restapi) listeners.push({ path: ["restapi", "listen"], addresses: [restapi.listen] });
  if (postgresql) {
    const { listenAddresses, port } = postgresql;
    const addresses = listenAddresses.map((host) => ({ host, port }));
    listeners.push({ path: ["postgresql", "listen"], addresses });
  }
  return listeners;
}

/** One issue for two settings, however many of their addresses clash. */
function checkPair(one: Listener, other: Listener, issues: Issues): void {
  for (const address of one.addresses) {
    const clashing = other.addresses.find((candidate) => addressesClash(address, candidate));
    if (!clashing) continue;
    const [text, otherText] = [formatHostPort(address), formatHostPort(clashing)];
    const spelled = text === otherText ? "" : ` (${otherText})`;
    issues.error(
      one.path,
      `${text} is also the address of ${other.path.join(".")}${spelled}: give each a port of its own`,
    );
    return;
  }
}
