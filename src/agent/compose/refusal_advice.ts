/**
 * Adds the setting to look at to raft's message about a refused connection, so that one line of the log is
 * enough to mend it. The raft package knows no settings. Pure.
 */

/** Words of the raft package, and what to do about them. */
const ADVICE: readonly (readonly [words: string, advice: string])[] = [
  ["wrong password", "raft.password must be the same in the files of all members"],
  [
    "node of another cluster",
    "namespace, scope and the addresses (raft.self_addr with raft.partner_addrs) must be the same in the files of all " +
    "members; a member from before an `agent recover` is refused for good",
  ],
  ["not a member of this cluster", "it was removed, or has the raft.data_dir of another cluster"],
  [
    "meant for another member",
    "look at raft.partner_addrs: an address there leads to another member than the one that has it as raft.self_addr",
  ],
  [
    "same member twice",
    "two agents run with the same raft.self_addr, or raft.partner_addrs holds an address of this host",
  ],
  [
    "another version of the protocol",
    "upgrade the older version of agent, release by release: neighbours understand each other. Members of version 1 and of " +
    "later ones do not: see docs/operations.md on upgrading",
  ],
  [
    "an older version of the protocol",
    "look for a device between the members in the network: bytes were changed on the way",
  ],
  [
    "not authentic",
    "something in the network between the members changes what they send; raft.tls also keeps it secret",
  ],
  [
    "certificate is not yet valid",
    "look at the clock of this host first, then at that of the host where the certificate was made",
  ],
  ["certificate has expired", "renew it there; or the clock of this host is wrong"],
  [
    "the certificate that was shown",
    "raft.tls.certfile must hold the host of this member's raft.self_addr in its subject alternative names, and be for " +
    "both clientAuth and serverAuth, or for anything",
  ],
  [
    "its subject alternative names must hold",
    "look at raft.tls.certfile and raft.self_addr of the member there; a certificate of another host is refused",
  ],
];

/** `text` as it is when there is no advice. */
export function withAdvice(text: string): string {
  const found = ADVICE.find(([words]) => text.includes(words));
  return found === undefined ? text : `${text} (${found[1]})`;
}
