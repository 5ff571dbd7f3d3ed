/** With a real server: test/e2e_tls.test.ts. */
import { expect, test } from "bun:test";
import { renewedFiles, tlsFiles } from "./server_certificates.ts";

const SETTINGS = {
  ssl: "on",
  ssl_cert_file: "/etc/ssl/server.crt",
  ssl_key_file: "server.key",
  ssl_ca_file: "",
  loaded: "1000",
};
const FILES = ["/etc/ssl/server.crt", "/data/server.key"];

test("the files of a server with TLS are known, relative ones in its directory", () => {
  expect(tlsFiles(SETTINGS, "/data")).toEqual(FILES);
  expect(tlsFiles({ ...SETTINGS, ssl: "off" }, "/data")).toEqual([]);
  expect(tlsFiles({}, "/data")).toEqual([]);
});

test("files that changed after the server had read them are renewed", () => {
  const renewed = (times: { readonly [path: string]: number }) =>
    renewedFiles(FILES, 1000, (path) => times[path] ?? null).map(({ file }) => file);
  expect(renewed({ "/etc/ssl/server.crt": 999, "/data/server.key": 1000 })).toEqual([]);
  expect(renewed({ "/etc/ssl/server.crt": 1001, "/data/server.key": 1000 })).toEqual([FILES[0]!]);
  expect(renewed({ "/etc/ssl/server.crt": 1001, "/data/server.key": 1001 })).toEqual(FILES);
  expect(renewed({})).toEqual([]);
});
