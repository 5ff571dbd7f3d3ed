/** The sections restapi and ctl. */
import type { CtlConfig, RestApiConfig } from "./config.ts";
import type { Issues } from "./config_issues.ts";
import type { CtlSection, RestApiSection } from "./config_schema.ts";
import { formatHostPort, isWildcard } from "./host_port.ts";

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
  if (isWildcard(published.host)) {
    const key = section.connect_address ? "connect_address" : "listen";
    issues.error(
      ["restapi", "connect_address"],
      section.connect_address
        ? `${
          formatHostPort(published)
        } stands for all interfaces, and nobody can connect to it: name this host's address`
        : `required: the host:port at which others reach this member (restapi.${key} stands for all interfaces)`,
    );
    return null;
  }
  const verifyClient = section.verify_client ?? "none";
  checkTls(section, verifyClient, issues);
  return {
    listen,
    connectAddress: formatHostPort(published),
    authentication: login(section.authentication, "restapi", issues) ?? oldLogin(section.auth, issues),
    certfile: section.certfile ?? null,
    keyfile: section.keyfile ?? null,
    keyfilePassword: section.keyfile_password ?? null,
    cafile: section.cafile ?? null,
    verifyClient,
    allowlist: section.allowlist ?? [],
    allowlistIncludeMembers: section.allowlist_include_members ?? false,
    httpExtraHeaders: section.http_extra_headers ?? {},
    httpsExtraHeaders: section.https_extra_headers ?? {},
  };
}

/** What ctl does not say is taken from restapi. */
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
  for (const key of ["ciphers", "request_queue_size", "server_tokens", "thread_pool_size"] as const) {
    if (section[key] !== undefined) issues.warning(["restapi", key], "is accepted and has no effect here");
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
  if (colon < 1) {
    issues.error(
      ["restapi", "auth"],
      "expected text like user:password; better: restapi.authentication with username and password",
    );
    return null;
  }
  return { username: auth.slice(0, colon), password: auth.slice(colon + 1) };
}
