/**
 * Entries of raft.partner_addrs that lead back to this very member, by a name or another address of this
 * host: it would wait for itself to found the cluster. Spelled alike they are refused with the configuration.
 */
import { networkInterfaces } from "node:os";
import type { HostPort, LocalConfig } from "../../model/config.ts";
import { leadsBackText } from "../../config/raft.ts";
import { formatHostPort, isWildcard, leadsBack, parseHostPort } from "../../model/host_port.ts";
import { resolveAll } from "../../lib/resolve_host.ts";

/** Time that a name server gets. A name without an answer by then counts as unknown. */
const PATIENCE_MS = 3000;

export interface OwnPartner {
  /** Which of raft.partner_addrs. */
  readonly at: number;
  readonly problem: string;
}

export interface HostLookup {
  /** Addresses of a name; rejects when there are none. */
  readonly resolve: (host: string) => Promise<readonly string[]>;
  /** The addresses of this host. */
  readonly addresses: () => readonly string[];
}

const HOST: HostLookup = {
  resolve: resolveAll,
  addresses: () =>
    Object.values(networkInterfaces()).flatMap((all) => all ?? []).map(({ address }) => address),
};

export async function ownPartners({ raft }: LocalConfig, lookup = HOST): Promise<OwnPartner[]> {
  const all = (texts: readonly (string | null)[]) =>
    Promise.all(texts.map((text) => addressesOf(text === null ? null : parseHostPort(text), lookup)));
  const [own, partners] = await Promise.all([all([raft.selfAddr, raft.bindAddr]), all(raft.partnerAddrs)]);
  return partners.flatMap((addresses, at) => {
    const found = addresses.find((one) => own.flat().some((other) => leadsBack(one, other)));
    if (found === undefined) return [];
    const [partner, address] = [raft.partnerAddrs[at]!, formatHostPort(found)];
    return [{ at, problem: leadsBackText(partner === address ? partner : `${partner} (${address})`) }];
  });
}

/** All addresses that the name may stand for; none when they are not known. */
async function addressesOf(where: HostPort | null, lookup: HostLookup): Promise<HostPort[]> {
  if (where === null) return [];
  const { host, port } = where;
  const hosts = isWildcard(host) ? lookup.addresses() : await within(lookup.resolve(host).catch(() => []));
  return hosts.map((address) => ({ host: address, port }));
}

async function within(answer: Promise<readonly string[]>): Promise<readonly string[]> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<readonly string[]>((done) => void (timer = setTimeout(done, PATIENCE_MS, [])));
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
