/**
 * Serves the REST API on `restapi.listen`: plain HTTP, or HTTPS when a certificate is configured. Up before
 * PostgreSQL is, and up when it hangs. Bytes that are no HTTP harm nothing but their own connection.
 */
import { fileState } from "../lib/file_state.ts";
import { LimitedLog } from "../lib/limited_log.ts";
import { type Log, silentLog } from "../lib/log.ts";
import { UnusableFiles, WatchedFiles } from "../lib/watched_files.ts";
import type { LocalConfig, RestApiConfig } from "../model/config.ts";
import { Answering } from "./answering.ts";
import { type AppOptions, createApp } from "./app.ts";
import type { ApiPort } from "./port.ts";
import { certificateFault, type CertificateFiles, readCertificates } from "./certificates.ts";
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
  /** Takes certificates that were renewed on the disk. To be called now and then; costs little. */
  look(): void;
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
  /** As AnsweringOptions.metrics. */
  readonly metrics?: () => Answer | null;
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
  const answering = new Answering(port, createApp(port, { onError }), log, options);
  const serving: Serving = {
    limits: { ...HTTP_LIMITS, ...options.limits },
    log,
    answer: (request) => answering.answer(request),
    onError,
    collect: options.collect,
  };
  const listener = new Listener(config.restapi, serving);
  return {
    get port() {
      return listener.port;
    },
    reload: ({ restapi }) => listener.reload(restapi),
    look: () => listener.look(),
    stop() {
      listener.stop();
      return Promise.resolve();
    },
  };
}

/** Listens on one address, with the certificates of the moment. */
class Listener {
  readonly #serving: Serving;
  #restapi: RestApiConfig;
  readonly #files: WatchedFiles;
  #certificates: CertificateFiles | null;
  #running: HttpServer;
  /** Listen no more, but have connections. */
  #retired: HttpServer[] = [];
  #port: number;
  /** Nobody listens: neither a new listener nor the old one could be opened. */
  #isDown = false;

  constructor(restapi: RestApiConfig, serving: Serving) {
    this.#serving = serving;
    this.#restapi = restapi;
    this.#files = new WatchedFiles({
      state: () => stateOf(this.#restapi),
      take: (why) => this.#takeFiles(why),
      failed: (reason) =>
        serving.log.add("error", "restapi.tls", `the REST API goes on with the old certificate: ${reason}`),
    });
    this.#certificates = loadCertificates(restapi);
    this.#running = listen(restapi, this.#certificates, serving);
    this.#port = this.#running.port;
  }

  get port(): number {
    return this.#port;
  }

  stop(): void {
    this.#running.stop();
    this.#endRetired();
  }

  reload(next: RestApiConfig): void {
    const seen = stateOf(next);
    const certificates = loadCertificates(next);
    if (this.#isDown || !sameListener(this.#restapi, next) || !this.#hasFiles(certificates)) {
      this.#listenAnew(next, certificates);
    }
    this.#restapi = next;
    this.#files.inForce(seen);
  }

  look(): void {
    if (this.#isDown) {
      this.#comeBack();
      // What was to be taken then is tried once more.
      this.#files.tryAgain();
    }
    this.#files.look();
  }

  /**
   * Files that cannot be read, or half of a pair, may be whole at the next look. A pair that no listener
   * takes stays that: to try it again would break the line of those who connect each time.
   */
  #takeFiles(why: string): void {
    const renewed = loadCertificates(this.#restapi);
    if (this.#hasFiles(renewed)) return;
    try {
      this.#listenAnew(this.#restapi, renewed);
    } catch (error) {
      throw new UnusableFiles(messageOf(error), { cause: error });
    }
    this.#serving.log.add("info", "restapi.tls", `certificates of the REST API were read: ${why}`);
  }

  #hasFiles(certificates: CertificateFiles | null): boolean {
    return this.#certificates?.fingerprint === certificates?.fingerprint;
  }

  /**
   * The runtime cannot change the certificate of a listener: the old one retires. Its connections live on,
   * unless other clients count from now on: they were judged by the authority of before, and never are again.
   */
  #listenAnew(next: RestApiConfig, certificates: CertificateFiles | null): void {
    if (!this.#isDown) {
      this.#running.retire();
      this.#retired = [...this.#retired, this.#running].filter(({ connections }) => connections > 0);
    }
    const sameClients = this.#certificates?.ca === certificates?.ca &&
      this.#restapi.verifyClient === next.verifyClient;
    this.#isDown = true;
    try {
      this.#open(next, certificates);
    } catch (error) {
      this.#comeBack();
      throw error;
    }
    this.#certificates = certificates;
    if (!sameClients) this.#endRetired();
  }

  /** Requests that are under way are still answered. */
  #endRetired(): void {
    for (const server of this.#retired.splice(0)) server.stop();
  }

  #open(restapi: RestApiConfig, certificates: CertificateFiles | null): void {
    this.#running = listen(keepingPort(restapi, this.#restapi, this.#port), certificates, this.#serving);
    this.#port = this.#running.port;
    this.#isDown = false;
  }

  /** As before. Where that fails, too (a host without free file descriptors), the next look tries again. */
  #comeBack(): void {
    try {
      this.#open(this.#restapi, this.#certificates);
    } catch (error) {
      this.#serving.log.add("error", "restapi.down", `nobody listens for the REST API: ${messageOf(error)}`);
    }
  }
}

function sameListener(a: RestApiConfig, b: RestApiConfig): boolean {
  return a.listen.host === b.listen.host && a.listen.port === b.listen.port &&
    a.verifyClient === b.verifyClient && a.ciphers === b.ciphers;
}

/** A witness that took any free port keeps it: the others know it by that. */
function keepingPort(next: RestApiConfig, inForce: RestApiConfig, port: number): RestApiConfig {
  const { listen } = next;
  return listen.port === 0 && listen.host === inForce.listen.host
    ? { ...next, listen: { ...listen, port } }
    : next;
}

function stateOf({ certfile, keyfile, cafile }: RestApiConfig): string {
  return certfile === null ? "" : fileState([certfile, keyfile, cafile].filter((path) => path !== null));
}

function loadCertificates(config: RestApiConfig): CertificateFiles | null {
  if (config.certfile === null) return null;
  let files: CertificateFiles;
  try {
    files = readCertificates({
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
  // Before the old listener retires: nobody's connection is refused for half of a renewed pair.
  const fault = certificateFault(files);
  if (fault !== null) throw new ListenError(`restapi: the certificate files cannot be used: ${fault}`);
  return files;
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
          ciphers: config.ciphers,
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
  if (isCipherFault(failure)) {
    throw new ListenError(`restapi.ciphers: "${config.ciphers}" names no cipher that is known here`, {
      cause: failure,
    });
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

function isCipherFault(error: unknown): boolean {
  return /invalid ciphers/i.test(messageOf(error));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
