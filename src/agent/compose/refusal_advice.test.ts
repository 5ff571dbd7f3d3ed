import { expect, test } from "bun:test";
import { Refusal, refusalText } from "../../../raft/transport/handshake.ts";
import { withAdvice } from "./refusal_advice.ts";

const SETTINGS: { readonly [reason in keyof typeof Refusal]: string } = {
  version: "version of agent",
  otherCluster: "scope",
  unknownMember: "raft.data_dir",
  otherMember: "raft.partner_addrs",
  sameMember: "raft.self_addr",
  password: "raft.password",
  downgrade: "network",
  certificate: "raft.tls.certfile",
};

test("every refusal of a connection between members names what to look at", () => {
  for (const [reason, setting] of Object.entries(SETTINGS)) {
    const text = refusalText(Refusal[reason as keyof typeof Refusal]);
    const said = withAdvice(`refused connection from 10.0.0.2:7800: ${text}`);
    expect(said).toStartWith(`refused connection from 10.0.0.2:7800: ${text} (`);
    expect(said).toContain(setting);
  }
});

test("a certificate that is out of its time leads to the clock", () => {
  for (const text of ["certificate is not yet valid", "certificate has expired"]) {
    expect(withAdvice(`no connection to 10.0.0.2:7800: ${text}`)).toContain("the clock of this host");
  }
});

test("other words stay as they are", () => {
  expect(withAdvice("connected to 10.0.0.2:7800")).toBe("connected to 10.0.0.2:7800");
});
