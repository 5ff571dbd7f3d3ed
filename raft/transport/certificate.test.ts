import { X509Certificate } from "node:crypto";
import { expect, test } from "bun:test";
import { withoutAddress } from "../node/ids.ts";
import { certificateFlaw } from "./certificate.ts";
import { Authority, type Wanted } from "./testing_certificates.ts";

const AUTHORITY = new Authority("ca");

function flaw(wanted: Wanted, addr: string): string | null {
  return certificateFlaw(new X509Certificate(AUTHORITY.issue(wanted).cert), addr);
}

test("a certificate stands for the member whose host it names, by address or by name", () => {
  const member: Wanted = { names: ["10.0.0.1", "fd00::1", "pg1.example"] };
  for (
    const addr of ["10.0.0.1:7000", "10.0.0.1:1", "[fd00::1]:7000", "pg1.example:7000", "PG1.example:7000"]
  ) {
    expect([addr, flaw(member, addr)]).toEqual([addr, null]);
  }
  for (const addr of ["10.0.0.2:7000", "[fd00::2]:7000", "pg2.example:7000", "example:7000", "ca:7000"]) {
    expect([addr, flaw(member, addr)]).not.toEqual([addr, null]);
  }
  // The wildcard stands for one label, as the authority means it.
  expect(flaw({ names: ["*.db.example"] }, "pg1.db.example:7000")).toBeNull();
  expect(flaw({ names: ["*.db.example"] }, "pg1.other.db.example:7000")).not.toBeNull();
});

test("the common name stands for nobody", () => {
  expect(flaw({ commonName: "10.0.0.1" }, "10.0.0.1:7000")).not.toBeNull();
  expect(flaw({ commonName: "pg1.example" }, "pg1.example:7000")).not.toBeNull();
  expect(flaw({ commonName: "pg1.example", names: ["10.0.0.1"] }, "pg1.example:7000")).not.toBeNull();
  expect(flaw({ commonName: "far" }, withoutAddress("far"))).not.toBeNull();
});

test("a member without an address is the one whose name it has", () => {
  expect(flaw({ names: ["far"] }, withoutAddress("far"))).toBeNull();
  expect(flaw({ names: ["near"] }, withoutAddress("far"))).not.toBeNull();
  // No certificate can have this name: it is refused, and nothing throws.
  expect(flaw({ names: ["far"] }, withoutAddress("far\0away"))).not.toBeNull();
});

test("a certificate for clients alone, or for servers alone, is no member's", () => {
  const names = ["10.0.0.1"];
  expect(flaw({ names, usages: ["clientAuth"] }, "10.0.0.1:7000")).toContain("extended key usage");
  expect(flaw({ names, usages: ["serverAuth"] }, "10.0.0.1:7000")).toContain("extended key usage");
  expect(flaw({ names, usages: ["serverAuth", "clientAuth"] }, "10.0.0.1:7000")).toBeNull();
  // The address of a removed member is no longer known.
  expect(flaw({ names, usages: ["clientAuth"] }, "")).toContain("extended key usage");
  expect(flaw({ names }, "")).toBeNull();
});

test("the reason names what the certificate is for, the member, and what it must hold", () => {
  expect(flaw({ commonName: "prometheus" }, "10.0.0.2:7000")).toBe(
    "the certificate for CN=prometheus (without subject alternative names) is not the one of the member at 10.0.0.2:7000: " +
      "its subject alternative names must hold IP:10.0.0.2",
  );
  expect(flaw({ names: ["10.0.0.1", "pg1"] }, "pg2.example:7000")).toBe(
    "the certificate for IP Address:10.0.0.1, DNS:pg1 is not the one of the member at pg2.example:7000: its subject " +
      "alternative names must hold DNS:pg2.example",
  );
  for (const addr of ["garbage", "a:b:c", ":7000", "*:7000", `${"x".repeat(1000)}:7000`, "\n:1"]) {
    expect(flaw({ names: ["10.0.0.1"] }, addr)).toMatch(/^[ -~]{1,700}$/);
  }
  const hostile = flaw({ commonName: `a\nb\u001b[31m${"x".repeat(5000)}` }, "10.0.0.2:7000")!;
  expect(hostile).toMatch(/^[ -~]+$/);
  expect(hostile.length).toBeLessThan(500);
});
