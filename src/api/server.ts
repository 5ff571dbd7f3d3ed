/**
 * Serves the REST API on `restapi.listen`: plain HTTP, or HTTPS when a certificate is configured. Up before
 * PostgreSQL is, and up when it hangs. Bytes that are no HTTP harm nothing but their own connection.
 */
import { LimitedLog } from "../lib/limited_log.ts";
import { type Log, silentLog } from "../lib/log.ts";
import type { LocalConfig, RestApiConfig } from "../model/config.ts";
import { Answering } from "./answering.ts";
import { type AppOptions, createApp } from "./app.ts";
import type { ApiPort } from "./port.ts";
import { type CertificateFiles, readCertificates } from "./certificates.ts";
import type { Answer } from "./http/answer.ts";
import type { HttpRequest } from "./http/connection.ts";
import { HttpServer } from "./http/http_server.ts";
import { HTTP_LIMITS, type HttpLimits } from "./http/limits.ts";
import { ListenError } from "./listen_error.ts";

export interface ApiServer {
  /** Port listened on; differs from the configured one when that is 0. */
  readonly port: number;
  /**
   * After SIGHUP: listens anew if address or certificates have changed. Throws ListenError, then nothing has
   * changed.
   */
  reload(config: LocalConfig): void;
  stop(): Promise<void>;
}

export interface ServerOptions {
  /**
   * Told about strangers' requests, and about the server's own errors; limited by kind here. @default silent
   */
  readonly log?: Log;
  /** @default they are logged */
  readonly onError?: AppOptions["onError"];
  /** @default HTTP_LIMITS */
  readonly limits?: Partial<HttpLimits>;
  /** Makes the port's view fresh enough for a request; undefined: it is. @default always fresh */
  readonly freshen?: (path: string) => Promise<void> | undefined;
  /** As HttpServerOptions.collect. */
  readonly collect?: () => void;
}

/** The parts that each listener is made from. */
interface Serving {
  readonly limits: HttpLimits;
  readonly log: LimitedLog;
  readonly answer: (request: HttpRequest) => Answer | Promise<Answer>;
  readonly onError: AppOptions["onError"];
  readonly collect: (() => void) | undefined;
}

/** Throws ListenError when the address cannot be listened on or a certificate file cannot be read. */
export function startApiServer(port: ApiPort, config: LocalConfig, options: ServerOptions): ApiServer {
  const log = new LimitedLog(options.log ?? silentLog, () => performance.now());
  const onError = options.onError ??
    ((error, request) => log.add("error", "restapi.internal", `${request}: ${error.stack ?? error.message}`));
  const answering = new Answering(port, createApp(port, { onError }), log, options.freshen);
  const serving: Serving = {
    limits: { ...HTTP_LIMITS, ...options.limits },
    log,
    answer: (request) => answering.answer(request),
    onError,
    collect: options.collect,
  };
  let restapi = config.restapi;
  let certificates = loadCertificates(restapi);
  let running = listen(restapi, certificates, serving);

  return {
    get port() {
      return running.port;
    },
    reload(next) {
      const nextCertificates = loadCertificates(next.restapi);
      if (
        sameListener(restapi, next.restapi) && certificates?.fingerprint === nextCertificates?.fingerprint
      ) return;
      // The runtime cannot change the certificate of a listener: the old one stops accepting, its connections
      // live on.
      running.retire();
      try {
        running = listen(next.restapi, nextCertificates, serving);
      } catch (error) {
        running = listen(restapi, certificates, serving);
        throw error;
      }
      restapi = next.restapi;
      certificates = nextCertificates;
    },
    stop() {
      running.stop();
      return Promise.resolve();
    },
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
  { limits, log, answer, onError, collect }: Serving,
): HttpServer {
  const { host, port } = config.listen;
  // All addresses: one IPv6 socket takes IPv4 too. A host without IPv6 refuses that socket and gets an IPv4
  // one.
  const hostnames = host === "" || host === "*" ? ["::", "0.0.0.0"] : [host];
  let failure: unknown;
  for (const hostname of hostnames) {
    try {
      return new HttpServer({
        hostname,
        port,
        tls: certificates === null ? null : {
          ...certificates,
          clientCertificate: config.verifyClient === "none" ? "not asked for" : config.verifyClient,
        },
        limits,
        log,
        answer,
        collect,
        onError: (error, request) =>
          onError(error instanceof Error ? error : new Error(String(error)), request),
      });
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
