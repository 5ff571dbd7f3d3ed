/** The keys of the sections restapi and ctl. */
import type * as z from "zod";
import {
  bool,
  hostPort,
  integer,
  nonEmptyFile,
  oneLine,
  oneOf,
  secret,
  section,
  textList,
  textMap,
} from "../fields.ts";
import { MAX_COUNT } from "../../model/limits.ts";
import { key, NO_EFFECT } from "./row.ts";
import type { KeyText } from "./row.ts";

const login = (row: KeyText) =>
  section({ username: key(oneLine, row), password: key(secret, row) }).optional();

const tlsFiles = (row: KeyText) => ({
  certfile: key(nonEmptyFile, row),
  keyfile: key(nonEmptyFile, row),
  keyfile_password: key(secret, row),
});

const EXTRA_HEADERS = {
  effect: "reload",
  meaning:
    "map of headers for answers: printable ASCII, at most 50, none that the server sets itself (`Content-Length`, " +
    "`Transfer-Encoding`, ...)",
};

export const restapiSchema = section({
  listen: key(hostPort(8008), {
    default: "required (witness: loopback, any free port)",
    effect: "reload",
    meaning: "`host:port`; without a port 8008",
  }),
  connect_address: key(hostPort(8008), {
    default: "`listen`",
    effect: "reload",
    meaning: "published for the others and for `agent ctl`; required when `listen` stands for all interfaces",
  }),
  authentication: login({
    default: "none",
    effect: "reload",
    meaning: "Basic authentication for everything that changes something",
  }),
  auth: key(secret, { effect: "reload", meaning: "old form, `user:password`" }),
  allow_unauthenticated: key(bool, {
    default: "`false`",
    effect: "reload",
    meaning: "accept an API without a password on an address that other hosts reach",
  }),
  ...tlsFiles({ default: "plain HTTP", effect: "reload", meaning: "HTTPS" }),
  cafile: key(nonEmptyFile, {
    effect: "reload",
    meaning: "authorities whose client certificates are accepted",
  }),
  verify_client: key(oneOf(["none", "optional", "required"]), {
    default: "`none`",
    effect: "reload",
    meaning:
      "`optional`: certificate for everything that changes something; `required`: for all. Needs `certfile` and `cafile`",
  }),
  allowlist: key(textList, {
    default: "all",
    effect: "reload",
    meaning: "addresses, networks (`10.0.0.0/24`) or names that may change something",
  }),
  allowlist_include_members: key(bool, {
    default: "`false`",
    effect: "reload",
    meaning: "members belong to the allowlist",
  }),
  legacy_metrics: key(bool, {
    default: "`false`",
    effect: "reload",
    meaning: "`/metrics` has `patroni_master` too, the old name of `patroni_primary`",
  }),
  ui: key(bool, {
    default: "`true`",
    effect: "reload",
    meaning: "the page at `/ui` ([ui.md](ui.md))",
  }),
  http_extra_headers: key(textMap, EXTRA_HEADERS),
  https_extra_headers: key(textMap, EXTRA_HEADERS),
  ciphers: key(oneLine, {
    default: "the usual ones",
    effect: "reload",
    meaning: "ciphers of TLS 1.2, in OpenSSL's notation; TLS 1.3 has fixed ones",
  }),
  request_queue_size: key(integer(0, 4096), NO_EFFECT),
  server_tokens: key(oneOf(["original", "minimal", "productonly"]), NO_EFFECT),
  thread_pool_size: key(integer(1, MAX_COUNT), NO_EFFECT),
});

export const ctlSchema = section({
  authentication: login({ default: "those of `restapi`", meaning: "Basic authentication" }),
  insecure: key(bool, { default: "`false`", meaning: "do not verify the server's certificate" }),
  cacert: key(nonEmptyFile, { default: "`restapi.cafile`", meaning: "authorities to verify it with" }),
  ...tlsFiles({ default: "those of `restapi`", meaning: "client certificate" }),
});

export type RestApiSection = z.output<typeof restapiSchema>;
export type CtlSection = z.output<typeof ctlSchema>;
