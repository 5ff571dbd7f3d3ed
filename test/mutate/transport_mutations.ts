/** Rules of the transport: what is authenticated, whose certificate counts, what strangers may hold. */
import { type Mutation, mutationsOf } from "./mutation.ts";

const FRAMES = ["raft/transport/frame.test.ts", "raft/transport/recorded_peer.test.ts"];
const LAYERS = ["raft/transport/socket_layer.test.ts"];

export const TRANSPORT_MUTATIONS: readonly Mutation[] = [
  ...mutationsOf("raft/transport/frame_mac.ts", FRAMES, [
    ["frames-not-counted", "this.#number++);", "this.#number);"],
    ["frame-checksum-not-compared", "return difference === 0;", "return difference >= 0;"],
    ["frame-checksum-half-compared", "difference |= expected[i]!", "difference = expected[i]!"],
    ["frame-header-not-covered", "i < COVERED_HEADER_BYTES", "i < 1"],
    ["frame-payload-not-covered", ".update(payload).digest()", ".digest()"],
  ]),
  ...mutationsOf("raft/transport/frame.ts", FRAMES, [
    [
      "plain-frame-taken",
      "if (version !== (this.#mac ? SEALED : PLAIN)) throw",
      "if (version > SEALED) throw",
    ],
  ]),
  ...mutationsOf("raft/transport/handshake.ts", ["raft/transport/handshake.test.ts"], [
    [
      "downgrade-accepted",
      "if (newestOfBoth(versions, hello.versions) !== hello.version)",
      "if (newestOfBoth(versions, hello.versions) < hello.version)",
    ],
    [
      "downgrade-dialed",
      "if (newestOfBoth(this.#own.versions ?? VERSIONS, theirs) !== this.#version) {",
      "if (newestOfBoth(this.#own.versions ?? VERSIONS, theirs) < this.#version) {",
    ],
    ["version-1-spoken", "= { oldest: SEALED_VERSION,", "= { oldest: FIRST_VERSION,"],
    [
      "one-key-for-both-directions",
      'acceptor: keyOfFrames("acceptor") };',
      'acceptor: keyOfFrames("dialer") };',
    ],
  ]),
  ...mutationsOf("raft/transport/connection.ts", ["raft/transport/tamper.test.ts"], [
    [
      "frames-not-sealed",
      "if (!keys) return this.#reader.open(null);",
      "if (keys) return this.#reader.open(null);",
    ],
    [
      "endless-frame-waited-for",
      "this.#withinFrameMs ??= this.#receivedMs;",
      "this.#withinFrameMs ??= null;",
    ],
  ]),
  ...mutationsOf("raft/transport/socket_layer.ts", ["raft/transport/resumed_session.test.ts"], [
    ["resumed-after-its-certificate", "Date.parse(certificate.validTo) <= Date.now()", "false"],
  ]),
  ...mutationsOf("src/api/http/connection.ts", ["src/api/client_certificates.test.ts"], [
    ["kept-after-its-certificate", " && Date.now() < this.#certificateEndsMs", ""],
    ["read-after-its-certificate", "!clientCertificate && this.#host.certificateRequired", "false"],
  ]),
  ...mutationsOf("src/api/server.ts", ["src/api/client_certificates.test.ts"], [
    ["kept-under-another-authority", "if (!sameClients) this.#endRetired();", ""],
    ["kept-without-a-certificate", "this.#restapi.verifyClient === next.verifyClient", "true"],
    ["retired-twice-and-kept", "[...this.#retired, this.#running]", "[this.#running]"],
  ]),
  ...mutationsOf("raft/transport/certificate.ts", ["raft/transport/certificate.test.ts"], [
    ["common-name-counts", 'subject: "never"', 'subject: "default"'],
    ["client-certificate-taken", "(usages.includes(SERVER) && ", "("],
    ["server-certificate-taken", " && usages.includes(CLIENT))", ")"],
    ["any-address-taken", "certificate.checkIP(host) !== undefined", "true"],
  ]),
  ...mutationsOf("raft/transport/tcp_transport.ts", LAYERS, [
    ["dialer-certificate-not-compared", "return text === null ? null : {", "return text !== '' ? null : {"],
    ["visitor-certificate-not-compared", "(addr) => this.#layer.flaw(socket, addr),", "() => null,"],
  ]),
  ...mutationsOf("raft/transport/peer_link.ts", LAYERS, [
    [
      "acceptor-certificate-not-compared",
      "if (flaw === null) connection.sendHello",
      "if (flaw !== '') connection.sendHello",
    ],
  ]),
  ...mutationsOf("raft/transport/peer_link.ts", ["raft/transport/transport.test.ts"], [
    [
      "dialed-connection-outlives-its-peer",
      "sinceMs > STABLE_MS ? dialed : null",
      "sinceMs < 0 ? dialed : null",
    ],
  ]),
  ...mutationsOf("raft/transport/visit.ts", LAYERS, [
    [
      "visited-certificate-not-compared",
      "if (flaw === null) connection.sendHello",
      "if (flaw !== '') connection.sendHello",
    ],
  ]),
  ...mutationsOf("raft/transport/socket_layer.ts", LAYERS, [
    ["tls-stranger-not-bounded", "if (handlers.onKnock(socket)) accept", "accept"],
  ]),
  ...mutationsOf("raft/transport/accept_gate.ts", ["raft/transport/accept_gate.test.ts"], [
    ["gate-stays-open", "this.#accepted < AT_ONCE ||", "this.#accepted < 100 * AT_ONCE ||"],
    ["gate-stays-shut", "this.#set(SO_DETACH_FILTER);", ""],
  ]),
  ...mutationsOf("raft/transport/door.ts", ["raft/transport/door.test.ts"], [
    ["stranger-stays", "<= deadlineMs) break;", "<= 10 * deadlineMs) break;"],
    ["one-address-unbounded", ">= MAX_OF_ONE) this", ">= 10 * MAX_OF_ONE) this"],
    ["strangers-unbounded", ">= MAX_OF_STRANGERS) this", ">= 10 * MAX_OF_STRANGERS) this"],
    ["members-counted-as-strangers", "if (!member) this.#strangers++;", "this.#strangers++;"],
    ["member-makes-room-for-strangers", "if (!member && count > most.count)", "if (count >= most.count)"],
    [
      "members-limited-as-strangers",
      "const rate = member ? RATES.member : RATES.one;",
      "const rate = RATES.one;",
    ],
    [
      "refused-not-counted",
      "    guest.refused = true;\n",
      "    guest.refused = true;\n    this.leave(socket);\n",
    ],
  ]),
  ...mutationsOf("raft/transport/quiet_log.ts", ["raft/transport/quiet_log.test.ts"], [
    ["log-limited-by-text-alone", "else if (budget.written.size >= MAX_LINES) budget.suppressed++;\n", ""],
  ]),
  ...mutationsOf("raft/node/inbox.ts", ["raft/node/membership.test.ts"], [
    [
      "removed-member-heard",
      "    if (membership.turnAway(from)) return false;\n    contacts",
      "    contacts",
    ],
  ]),
  ...mutationsOf("raft/node/visits.ts", ["raft/node/find_cluster.test.ts"], [
    ["stranger-joins-by-certificate-alone", "&& !strangersMayJoin) {", "&& false) {"],
    ["impostor-asks-for-a-place", "if (impostor !== null) return", "if (impostor === '') return"],
  ]),
  ...mutationsOf("raft/transport/connection.ts", ["raft/transport/connection.test.ts"], [
    ["waste-not-counted", "if (!useful) this.#share.wasted(payload.length);", ""],
  ]),
  ...mutationsOf("raft/transport/loop_share.ts", ["raft/transport/loop_share.test.ts"], [
    ["peer-without-limit", "return this.#usedMs >= STRETCH_MS ||", "return"],
    ["waste-costs-nothing", "Math.max(REST_MS, this.#owedMs)", "REST_MS"],
    [
      "share-for-each-connection",
      "get resting(): boolean {\n    return this.#waiting !== null;",
      "get resting(): boolean {\n    return false;",
    ],
  ]),
  ...mutationsOf("raft/transport/connection.ts", ["raft/transport/connection.test.ts"], [
    ["frames-read-while-resting", "return !this.#closed && !this.#share.spend();", "return !this.#closed;"],
  ]),
];
