/** The sections restapi and ctl. */
import type { CtlConfig, HostPort, RestApiConfig } from "../model/config.ts";
import { describeValue } from "./issues.ts";
import type { Issues } from "./issues.ts";
import { restapiSchema } from "./keys/restapi.ts";
import type { CtlSection, RestApiSection } from "./keys/restapi.ts";
import { warnWithoutEffect } from "./keys/row.ts";
import { addressFamily, formatHostPort, isHostName, isLoopback, unpublishable } from "../model/host_port.ts";

/** `optional`: a witness may do without; it then answers on loopback, on any free port. */
export function buildRestApi(
  section: RestApiSection,
  optional: boolean,
  issues: Issues,
): RestApiConfig | null {
  const listen = section.listen ?? (optional ? { host: "127.0.0.1", port: 0 } : undefined);
  if (listen === undefined) {
    issues.error(
      ["restapi", "listen"],
      "required: text like host:port, where health checks and commands are answered (usual port: 8008)",
    );
    return null;
  }
  const published = section.connect_address ?? listen;
  const problem = unpublishable(published.host);
  if (problem !== null) {
    issues.error(
      ["restapi", "connect_address"],
      section.connect_address
        ? `${formatHostPort(published)} ${problem}`
        : "required: the host:port at which others reach this member (restapi.listen names no address for them)",
    );
    return null;
  }
  const verifyClient = section.verify_client ?? "none";
  checkTls(section, verifyClient, issues);
  warnWithoutEffect(restapiSchema, section, ["restapi"], issues);
  const authentication = login(section.authentication, "restapi", issues) ?? oldLogin(section.auth, issues);
  const isClosed = authentication !== null || (verifyClient !== "none" && section.certfile && section.cafile);
  if (!isClosed && !section.allow_unauthenticated) requireLoopback(listen, issues);
  return {
    listen,
    connectAddress: formatHostPort(published),
    authentication,
    certfile: section.certfile ?? null,
    keyfile: section.keyfile ?? null,
    keyfilePassword: section.keyfile_password ?? null,
    cafile: section.cafile ?? null,
    ciphers: section.ciphers || null,
    verifyClient,
    allowlist: allowlist(section.allowlist ?? [], issues),
    allowlistIncludeMembers: section.allowlist_include_members ?? false,
    legacyMetrics: section.legacy_metrics ?? false,
    ui: section.ui ?? true,
    httpExtraHeaders: headers(section.http_extra_headers ?? {}, "http_extra_headers", issues),
    httpsExtraHeaders: headers(section.https_extra_headers ?? {}, "https_extra_headers", issues),
  };
}

/** Settings that ctl does not have are taken from restapi. */
export function buildCtl(section: CtlSection, restapi: RestApiConfig | null, issues: Issues): CtlConfig {
  return {
    authentication: login(section.authentication, "ctl", issues) ?? restapi?.authentication ?? null,
    insecure: section.insecure ?? false,
    cacert: section.cacert ?? restapi?.cafile ?? null,
    certfile: section.certfile ?? restapi?.certfile ?? null,
    keyfile: section.keyfile ?? restapi?.keyfile ?? null,
    keyfilePassword: section.keyfile_password ?? restapi?.keyfilePassword ?? null,
  };
}

/**
 * PATCH /config sets archive_command, restore_command and the like: a client that may change that runs
 * commands on every host.
 */
function requireLoopback(listen: HostPort, issues: Issues): void {
  if (isLoopback(listen.host)) return;
  issues.error(
    ["restapi", "authentication"],
    `required: ${
      formatHostPort(listen)
    } can be reached from other hosts, and any client that reaches it could run commands there ` +
      "as the user of PostgreSQL. Add restapi.authentication with username and password (the same on every member), or " +
      "restapi.allow_unauthenticated: true if only you can connect to it. Client certificates " +
      "(restapi.verify_client with certfile and cafile) will do as well",
  );
}

function allowlist(entries: readonly string[], issues: Issues): string[] {
  return entries.map((entry, i) => {
    const problem = allowlistProblem(entry.trim());
    const path = ["restapi", "allowlist", i];
    if (problem !== null) issues.error(path, `${problem}, got ${describeValue(path, entry)}`);
    return entry.trim();
  });
}

function allowlistProblem(entry: string): string | null {
  const [host = "", bits, ...rest] = entry.split("/");
  const family = addressFamily(host);
  if (host.includes("%") || rest.length > 0 || (bits === undefined && !isHostName(host))) {
    return "expected an address, a network like 10.0.0.0/24, or a host name";
  }
  if (bits === undefined) return null;
  if (family === 0) return "expected a network like 10.0.0.0/24: only an address can stand before the /";
  const most = family === 4 ? 32 : 128;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= most
    ? null
    : `expected a number from 0 to ${most} behind the /`;
}

const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/;
/** Decided by the server for each answer: another value would cut it off, or leave the client waiting. */
const OWN_HEADERS = [
  "connection",
  "content-encoding",
  "content-length",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];
const MAX_HEADERS = 50;
const MAX_HEADER_LENGTH = 4096;

/** Every answer carries them: one that HTTP does not allow would make each an error. */
function headers(
  section: { readonly [name: string]: string },
  key: "http_extra_headers" | "https_extra_headers",
  issues: Issues,
): { [name: string]: string } {
  const entries = Object.entries(section);
  if (entries.length > MAX_HEADERS) issues.error(["restapi", key], `more than ${MAX_HEADERS} headers`);
  return Object.fromEntries(entries.map(([name, value]) => {
    const problem = headerProblem(name, value.trim());
    if (problem !== null) issues.error(["restapi", key, name], problem);
    return [name, value.trim()];
  }));
}

function headerProblem(name: string, value: string): string | null {
  if (!HEADER_NAME.test(name)) return "is no name of a header: letters, digits and - are taken";
  if (OWN_HEADERS.includes(name.toLowerCase())) return "is set by the server itself: remove it";
  if (value.length > MAX_HEADER_LENGTH) return `is longer than ${MAX_HEADER_LENGTH} characters`;
  return /^[\t\x20-\x7e]*$/.test(value)
    ? null
    : "holds a character that no header can have: printable ASCII is taken, on one line";
}

function checkTls(
  section: RestApiSection,
  verifyClient: RestApiConfig["verifyClient"],
  issues: Issues,
): void {
  if (verifyClient !== "none" && !(section.certfile && section.cafile)) {
    issues.error(
      ["restapi", "verify_client"],
      `${verifyClient} needs restapi.certfile and restapi.cafile: without them no client certificate is asked for or checked`,
    );
  }
  if (section.keyfile && !section.certfile) {
    issues.warning(
      ["restapi", "keyfile"],
      "has no effect without restapi.certfile: the API answers in plain HTTP",
    );
  }
}

function login(
  section: { username?: string | undefined; password?: string | undefined } | undefined,
  owner: string,
  issues: Issues,
): RestApiConfig["authentication"] {
  if (!section) return null;
  if (section.username && section.password) return { username: section.username, password: section.password };
  issues.error(
    [owner, "authentication"],
    "username and password go together: one of the two is missing or empty",
  );
  return null;
}

/** `auth: user:password`, the spelling of the first versions. */
function oldLogin(auth: string | undefined, issues: Issues): RestApiConfig["authentication"] {
  if (auth === undefined) return null;
  const colon = auth.indexOf(":");
  if (colon < 1 || auth.slice(colon + 1).trim() === "") {
    issues.error(
      ["restapi", "auth"],
      "expected text like user:password; better: restapi.authentication with username and password",
    );
    return null;
  }
  return { username: auth.slice(0, colon), password: auth.slice(colon + 1) };
}
