/** Requests to the member that served the page. The password is kept here while the page is open, only. */
import type { Request as Asked } from "../model/actions.ts";

const READ_MS = 8000;
/** A restart or a switchover is answered when it is over. */
const CHANGE_MS = 300_000;

export interface Reply {
  readonly status: number;
  readonly text: string;
  readonly etag: string | null;
  readonly warnings: string | null;
}

export class Server {
  readonly #credentials: RequestCredentials;
  #authorization: string | null = null;

  constructor(credentials: string) {
    this.#credentials = credentials === "same-origin" ? "same-origin" : "omit";
  }

  get signedIn(): boolean {
    return this.#authorization !== null;
  }

  signIn(name: string, password: string): void {
    let bytes = "";
    for (const byte of new TextEncoder().encode(`${name}:${password}`)) bytes += String.fromCharCode(byte);
    this.#authorization = `Basic ${btoa(bytes)}`;
  }

  signOut(): void {
    this.#authorization = null;
  }

  /** Rejects when there is no answer. */
  async read(path: string): Promise<Reply> {
    return await this.#fetch(path, "GET", {}, undefined, READ_MS);
  }

  async readJson<Value>(path: string): Promise<Value> {
    const { status, text } = await this.read(path);
    if (status !== 200) throw new Error(`${path} is answered ${status}`);
    return JSON.parse(text) as Value;
  }

  async change(
    { method, path, body, member }: Asked,
    more: { readonly [name: string]: string } = {},
  ): Promise<Reply> {
    const headers = {
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(member === undefined ? {} : { "Agent-Member": encodeURIComponent(member) }),
      ...(this.#authorization === null ? {} : { Authorization: this.#authorization }),
      ...more,
    };
    return await this.#fetch(
      path,
      method,
      headers,
      body === undefined ? "" : JSON.stringify(body),
      CHANGE_MS,
    );
  }

  async #fetch(
    path: string,
    method: string,
    headers: { readonly [name: string]: string },
    body: string | undefined,
    timeoutMs: number,
  ): Promise<Reply> {
    const response = await fetch(path, {
      method,
      headers,
      body,
      credentials: this.#credentials,
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
    });
    return {
      status: response.status,
      text: await response.text(),
      etag: response.headers.get("ETag"),
      warnings: response.headers.get("Warning"),
    };
  }
}
