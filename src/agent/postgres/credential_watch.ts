/**
 * Tests now and then, and after each reload, whether the member's own server and its upstream accept the
 * users and passwords of the configuration. Open connections go on without them: a password that was changed
 * on one side only would show when a connection is lost, in the middle of a failover.
 */
import { errorText } from "../../postgres/error_text.ts";
import { isRefusal, refusedCredentials } from "../../postgres/refused_credentials.ts";
import type { PostgresContext } from "./context.ts";

/** Besides after each reload; sooner while they are refused. */
const EVERY_MS = 300_000;
const REFUSED_EVERY_MS = 30_000;

export class CredentialWatch {
  #dueMs: number;
  #asking = false;
  /** The refusal at the last question. */
  #refused = "";

  readonly #context: PostgresContext;

  constructor(context: PostgresContext) {
    this.#context = context;
    this.#dueMs = context.parts.clock.now() + EVERY_MS;
  }

  /** The configuration is new: asked at the next look. */
  soon(): void {
    this.#dueMs = 0;
  }

  /** Asks when it is time. Resolves when the answers are there; never rejects. */
  async look(): Promise<void> {
    const { clock, memory, guard } = this.#context.parts;
    if (this.#asking || clock.now() < this.#dueMs) return;
    if (!memory.server?.ready || guard.view().postmaster?.phase !== "running") return;
    this.#asking = true;
    // A reload that comes meanwhile is due at once again.
    this.#dueMs = clock.now() + EVERY_MS;
    try {
      await this.#ask();
    } finally {
      this.#asking = false;
    }
    if (this.#refused !== "") this.#dueMs = Math.min(this.#dueMs, clock.now() + REFUSED_EVERY_MS);
  }

  async #ask(): Promise<void> {
    const { log } = this.#context.parts;
    const refused = [await this.#refusedHere(), await this.#refusedUpstream()].filter((text) => text !== "");
    const text = refused.join("; ");
    if (text !== "" && text !== this.#refused) {
      log.error(
        "credentials",
        `${text}. Open connections go on; new ones are refused. Change the role's password on the primary ` +
          "(ALTER ROLE), or correct the file and reload",
      );
    } else if (text === "" && this.#refused !== "") {
      log.info("credentials", "the passwords of the configuration are accepted again");
    }
    this.#refused = text;
  }

  async #refusedHere(): Promise<string> {
    const { server } = this.#context.parts;
    try {
      await server.with({ applicationName: "agent check" }, () => Promise.resolve());
      return "";
    } catch (error) {
      // An unreachable server is reported by the monitor, which looks every second.
      return isRefusal(error)
        ? `PostgreSQL refuses postgresql.authentication.superuser (${errorText(error)})`
        : "";
    }
  }

  async #refusedUpstream(): Promise<string> {
    const { files, guard, config } = this.#context.parts;
    const upstream = files.intended() ?? null;
    if (upstream === null || upstream.connUrl === "" || guard.view().postmaster?.writable) return "";
    const rewinds = this.#context.dynamic.postgresql.rejoin.includes("rewind");
    const refused = await refusedCredentials(upstream, config.postgresql, rewinds);
    return refused.length === 0 ? "" : `${upstream.name} refuses ${refused.join("; ")}`;
  }
}
