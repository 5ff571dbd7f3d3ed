import { expect, test } from "bun:test";
import { parseCtlConfig } from "./config_ctl.ts";
import { MINIMAL } from "./config_testing.ts";

const read = (text: string, environment = {}) => parseCtlConfig([{ file: "ctl.yml", text }], environment);

test("a member's file is enough", () => {
  const { target, issues } = read(
    MINIMAL.replace("127.0.0.1:8001", "0.0.0.0:8001\n  connect_address: 10.0.0.1:8001"),
  );
  expect(issues).toEqual([]);
  expect(target).toMatchObject({
    scope: "main",
    apiAddresses: ["10.0.0.1:8001", "127.0.0.1:8001"],
    raftAddresses: ["127.0.0.1:7801", "127.0.0.1:7802", "127.0.0.1:7803"],
    https: false,
  });
});

test("three keys are enough", () => {
  const { target } = read(
    "scope: main\nraft: {partner_addrs: [10.0.0.1:7800, 10.0.0.2:7800]}\nrestapi: {connect_address: 10.0.0.1:8008}\n",
  );
  expect(target).toMatchObject({ scope: "main", apiAddresses: ["10.0.0.1:8008", "10.0.0.2:8008"] });
});

test("credentials and certificates of ctl, or of restapi in their place", () => {
  const rest =
    "restapi: {connect_address: 10.0.0.1:8008, certfile: c, cafile: ca, authentication: {username: u, password: p}}\n";
  expect(read(rest).target).toMatchObject({
    https: true,
    ctl: { certfile: "c", cacert: "ca", authentication: { username: "u" } },
  });
  expect(read(`${rest}ctl: {insecure: on, authentication: {username: x, password: y}}\n`).target?.ctl)
    .toMatchObject({
      insecure: true,
      authentication: { username: "x", password: "y" },
    });
  expect(read(rest, { PATRONI_CTL_USERNAME: "e", PATRONI_CTL_PASSWORD: "f" }).target?.ctl.authentication)
    .toEqual({
      username: "e",
      password: "f",
    });
});

test("nothing at all is no target's fault, a broken section is", () => {
  expect(read("").target).toMatchObject({ scope: null, apiAddresses: [] });
  expect(read("raft:\nrestapi:\n").target).not.toBeNull();
  expect(read("restapi: 8008\n").target).toBeNull();
  expect(read("restapi: {listen: [}").target).toBeNull();
});
