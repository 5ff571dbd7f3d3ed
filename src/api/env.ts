/** The context of a request, for every group of endpoints. */

/** The server's knowledge of the connection that a request came by. */
export interface Connection {
  readonly ip: string | null;
  /** A client certificate of the API's CA was presented. */
  readonly clientCertificate: boolean;
}

export interface ApiEnv {
  Bindings: Connection | undefined;
}
