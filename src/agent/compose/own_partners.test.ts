import { expect, test } from "bun:test";
import { minimalWith, parsedConfig } from "../../config/testing.ts";
import { type HostLookup, ownPartners } from "./own_partners.ts";

const NAMES: Record<string, readonly string[]> = {
  one: ["10.0.0.1"],
  two: ["10.0.0.2"],
  three: ["10.0.0.3"],
  alias: ["fd00::1", "10.0.0.1"],
  loop: ["127.0.1.1"],
  other: ["192.168.7.1"],
};
const HOST: HostLookup = {
  resolve: (host) => {
    if (/^[\d.]+$|:/.test(host)) return Promise.resolve([host]);
    return NAMES[host] ? Promise.resolve(NAMES[host]) : Promise.reject(new Error(`no ${host}`));
  },
  addresses: () => ["127.0.0.1", "::1", "10.0.0.1", "192.168.7.1"],
};

const ROWS: readonly [self: string, bind: string | null, partner: string, found: string | null][] = [
  ["one:7800", null, "alias:7800", "alias:7800 (10.0.0.1:7800)"],
  ["one:7800", null, "10.0.0.1:7800", "10.0.0.1:7800"],
  ["10.0.0.1:7800", null, "one:7800", "one:7800 (10.0.0.1:7800)"],
  ["10.0.0.1:7800", null, "loop:7800", "loop:7800 (127.0.1.1:7800)"],
  ["10.0.0.1:7800", "0.0.0.0:7800", "other:7800", "other:7800 (192.168.7.1:7800)"],
  // Nothing of this member listens there.
  ["10.0.0.1:7800", null, "other:7800", null],
  ["10.0.0.1:7800", null, "one:7801", null],
  ["10.0.0.1:7800", "0.0.0.0:7800", "three:7800", null],
  ["10.0.0.1:7800", "0.0.0.0:7800", "unknown:7800", null],
];

for (const [self, bind, partner, expected] of ROWS) {
  test(`${self}${bind === null ? "" : ` on ${bind}`} with the partner ${partner}`, async () => {
    const addresses = `self_addr: ${self}\n  partner_addrs: [two:7800, ${partner}]\n  password: secret` +
      (bind === null ? "" : `\n  bind_addr: ${bind}`);
    const config = parsedConfig(
      minimalWith("self_addr: 127.0.0.1:7801\n  partner_addrs: [127.0.0.1:7802, 127.0.0.1:7803]", addresses),
    );
    const found = await ownPartners(config, HOST);
    expect(found).toEqual(
      expected === null
        ? []
        : [{ at: 1, problem: expect.stringContaining(`${expected} leads to this member itself`) }],
    );
  });
}
