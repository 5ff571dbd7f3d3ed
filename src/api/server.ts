/**
 * Serves the REST API on `restapi.listen`: plain HTTP, or HTTPS when a certificate is configured. Up before PostgreSQL
 * is, and up when it hangs. Bytes that are no HTTP harm nothing but their own connection.
 */
import type { Server } from "bun";
import type { LocalConfig, RestApiConfig } from "../model/config.ts";
import { type AppOptions, createApp } from "./app.ts";
import { MAX_BODY_BYTES } from "./body.ts";
import type { ApiPort } from "./port.ts";
import { type CertificateFiles, readCertificates } from "./certificates.ts";
import { serveOptionalCertificates } from "./server_optional_tls.ts";

export interface RunningServer {
  /** Port listened on; differs from the configured one when that is 0. */
  readonly port: number;
  stop(): Promise<void>;
}

export interface ApiServer {
  readonly port: number;
  /** After SIGHUP: listens anew if address or certificates have changed. Throws ListenError, then nothing has changed. */
  reload(config: LocalConfig): void;
  stop(): Promise<void>;
}

/** What every kind of server is made from. */
export interface ServeSettings {
  readonly hostname: string;
  readonly port: number;
  readonly certificates: CertificateFiles | null;
  readonly fetch: (
    request: Request,
    connection: { ip: string | null; clientCertificate: boolean },
  ) => Promise<Response>;
}

export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** Idle connections of proxies are kept this long. */
const IDLE_TIMEOUT_S = 60;

/** Throws ListenError when the address cannot be listened on or a certificate file cannot be read. */
export function startApiServer(port: ApiPort, config: LocalConfig, options: AppOptions): ApiServer {
  const app = createApp(port, options);
  const fetch: ServeSettings["fetch"] = async (request, connection) => await app.fetch(request, connection);
  let restapi = config.restapi;
  let certificates = loadCertificates(restapi);
  let running = listen(restapi, certificates, fetch);

  return {
    get port() {
      return running.port;
    },
    reload(next) {
      const nextCertificates = loadCertificates(next.restapi);
      if (
        sameListener(restapi, next.restapi) && certificates?.fingerprint === nextCertificates?.fingerprint
      ) return;
      // The runtime cannot change the certificate of a listener: the old one stops accepting, its connections live on.
      void running.stop();
      try {
        running = listen(next.restapi, nextCertificates, fetch);
      } catch (error) {
        running = listen(restapi, certificates, fetch);
        throw error;
      }
      restapi = next.restapi;
      certificates = nextCertificates;
    },
    stop: () => running.stop(),
  };
}

function sameListener(a: RestApiConfig, b: RestApiConfig): boolean {
  return a.listen.host === b.listen.host && a.listen.port === b.listen.port &&
    a.verifyClient === b.verifyClient;
}

function loadCertificates(config: RestApiConfig): CertificateFiles | null {
  if (config.certfile === null) return null;
  try {
    return readCertificates({
      certfile: config.certfile,
      keyfile: config.keyfile,
      keyfilePassword: config.keyfilePassword,
      cafile: config.cafile,
    });
  } catch (error) {
    throw new ListenError(`restapi: cannot read the certificate files: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function listen(
  config: RestApiConfig,
  certificates: CertificateFiles | null,
  fetch: ServeSettings["fetch"],
): RunningServer {
  const { host, port } = config.listen;
  // Everything: one socket takes IPv4 too. A host without IPv6 refuses that one and gets the other.
  const hostnames = host === "" || host === "*" ? ["::", "0.0.0.0"] : [host];
  let failure: unknown;
  for (const hostname of hostnames) {
    try {
      const settings: ServeSettings = { hostname, port, certificates, fetch };
      if (certificates !== null && config.verifyClient === "optional") {
        return serveOptionalCertificates(settings);
      }
      return serve(settings, config.verifyClient === "required");
    } catch (error) {
      failure = error;
      if (isInUse(error)) break;
    }
  }
  const why = isInUse(failure) ? "another program listens there already" : messageOf(failure);
  throw new ListenError(
    `Couldn't start a service on '${host}:${port}' (${why}), please check your \`restapi.listen\` configuration`,
    { cause: failure },
  );
}

function isInUse(error: unknown): boolean {
  return (error as { code?: string }).code === "EADDRINUSE" || messageOf(error).includes("EADDRINUSE");
}

function serve(
  { hostname, port, certificates, fetch }: ServeSettings,
  certificateRequired: boolean,
): RunningServer {
  const server: Server<undefined> = Bun.serve({
    hostname,
    port,
    idleTimeout: IDLE_TIMEOUT_S,
    maxRequestBodySize: MAX_BODY_BYTES,
    ...(certificates === null ? {} : {
      tls: {
        cert: certificates.cert,
        key: certificates.key,
        ca: certificates.ca,
        passphrase: certificates.passphrase,
        requestCert: certificateRequired,
        rejectUnauthorized: certificateRequired,
      },
    }),
    fetch(incoming, self) {
      const request = withHost(incoming);
      // A switchover or a restart is answered when it is over, however long that takes.
      if (request.method === "POST") self.timeout(incoming, 0);
      const address = self.requestIP(incoming);
      return fetch(request, { ip: address?.address ?? null, clientCertificate: certificateRequired });
    },
    error: () => new Response("Internal error", { status: 500 }),
  });
  return { port: server.port ?? port, stop: () => server.stop(false) };
}

/** HTTP/1.0 has no Host, and so do proxies' checks ("OPTIONS / HTTP/1.0"): the runtime then gives a path for a URL. */
function withHost(request: Request): Request {
  return request.url.startsWith("/") ? new Request(`http://localhost${request.url}`, request) : request;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
