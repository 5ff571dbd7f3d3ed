/** The network of raft, with what arrives counted by its kind (src/lib/wake_profile.ts). Changes nothing. */
import { type Transport, type TransportHandlers, typeOfMessage } from "../../../raft/mod.ts";
import { countsWakes, timed } from "../../lib/wake_profile.ts";
import {
  LEASE_CHANNEL,
  RELAY_CHANNEL,
  SHORT_CHANNEL,
  STATUS_CHANNEL,
  WITNESS_CHANNEL,
} from "../peers/messages.ts";

const CHANNELS: { readonly [channel: number]: string } = {
  [LEASE_CHANNEL]: "lease: message",
  [STATUS_CHANNEL]: "status",
  [WITNESS_CHANNEL]: "status of a witness",
  [RELAY_CHANNEL]: "status passed on",
  [SHORT_CHANNEL]: "short status",
};

/** The transport itself where nothing is counted. */
export function timedTransport(transport: Transport): Transport {
  if (!countsWakes()) return transport;
  return {
    start: (handlers: TransportHandlers) =>
      transport.start({ ...handlers, onFrame: timed(kindOf, handlers.onFrame.bind(handlers)) }),
    send: (to, channel, payload) => transport.send(to, channel, payload),
    setPeers: (peers, removed) => transport.setPeers?.(peers, removed),
    close: () => transport.close(),
  };
}

function kindOf(_from: number, channel: number, payload: Uint8Array): string {
  if (channel === 0) return `raft: ${typeOfMessage(payload) ?? "garbage"}`;
  return CHANNELS[channel] ?? "raft: members";
}
