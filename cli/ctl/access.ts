/**
 * The cluster behind the REST APIs of its members. Every member can show it. A member that is cut off answers
 * with an old view, which counts only when no other member has a better one.
 */
import {
  ApiClient,
  CLUSTER,
  type ClusterJson,
  type ClusterMemberJson,
  parseAnswer,
  type Reply,
  type RequestOptions,
} from "../../src/api/client.ts";
import { CtlError } from "./errors.ts";
import { type Answer, firstAnswer } from "./first_answer.ts";
import type { Io } from "./io.ts";
import { type Log, logOf } from "./log.ts";
import type { Settings } from "./settings.ts";
import { staleText } from "./stale.ts";

/** Longer than any operation whose answer comes at its end. */
const OPERATION_TIMEOUT_MS = 3_600_000;

export class ClusterAccess {
  readonly #client: ApiClient;
  #bases: readonly string[];

  readonly #settings: Settings;
  #io: Io;
  readonly #log: Log;

  constructor(settings: Settings, io: Io) {
    this.#settings = settings;
    this.#io = io;
    this.#log = logOf({ environment: io.environment, err: (line) => this.#io.err(line) });
    this.#client = new ApiClient(settings.client);
    this.#bases = settings.bases;
  }

  /** From now on its warnings go there: into the picture that is being made. */
  speakTo(io: Io): void {
    this.#io = io;
  }

  /** Where the configuration says that the raft log of this host lies; null: it does not. */
  get raftDirectory(): string | null {
    return this.#settings.raftDirectory;
  }

  /** As the configuration names it; null: any cluster that answers. */
  get scope(): string | null {
    return this.#settings.scope;
  }

  /**
   * The cluster now. `name`: as it was named on the command line. An answer without contact to a majority is
   * told on standard error, unless `showsAge` says that the caller shows it. Throws NobodyAnswers.
   */
  async look(name: string | null = null, { showsAge = false } = {}): Promise<ClusterJson> {
    const scope = name ?? this.#settings.scope;
    const { answer, failures } = await firstAnswer(this.#bases, (base) => this.#ask(base, scope));
    if (answer === null || answer.kind === "none") {
      throw new NobodyAnswers(failures);
    }
    const { base, cluster } = answer.value;
    const others = [...cluster.members, ...cluster.agent?.unreachable ?? []].map((member) =>
      originOf(member.api_url)
    );
    this.#bases = [...new Set([base, ...others.filter((other) => other !== null), ...this.#bases])];
    const stale = staleText(cluster);
    if (stale !== null && !showsAge) this.#io.err(`Warning: a stale answer: ${stale}`);
    return cluster;
  }

  async #ask(
    base: string,
    scope: string | null,
  ): Promise<Answer<{ base: string; cluster: ClusterJson }>> {
    const reply = await this.#request(base, "GET", "/cluster");
    if (!reply.ok) return { kind: "none", why: reply.error };
    if (reply.status !== 200) return { kind: "none", why: `no agent: answered ${reply.status}` };
    const parsed = parseAnswer(reply.text, CLUSTER);
    if (!parsed.ok) return { kind: "none", why: `no answer of an agent: ${parsed.problem}` };
    const cluster = parsed.value;
    if (scope !== null && cluster.scope !== scope) {
      return { kind: "none", why: `is a member of the cluster ${cluster.scope}, not of ${scope}` };
    }
    return { kind: cluster.agent?.fresh === false ? "poor" : "good", value: { base, cluster } };
  }

  /** A safe request to the member that answered last, or the next one that does. Call look() first. */
  async get(path: string): Promise<Reply & { ok: true }> {
    const { answer, failures } = await firstAnswer(
      this.#bases,
      async (base): Promise<Answer<Reply & { ok: true }>> => {
        const reply = await this.#request(base, "GET", path);
        return reply.ok ? { kind: "good", value: reply } : { kind: "none", why: reply.error };
      },
    );
    if (answer?.kind === "good") return answer.value;
    throw new NobodyAnswers(failures);
  }

  /** Sends a request to this very member. */
  async ofMember(
    member: Pick<ClusterMemberJson, "api_url">,
    method: string,
    path: string,
    request: RequestOptions = {},
  ) {
    return await this.#request(member.api_url, method, path, {
      timeoutMs: OPERATION_TIMEOUT_MS,
      ...request,
    });
  }

  async #request(base: string, method: string, path: string, request: RequestOptions = {}): Promise<Reply> {
    const startedMs = performance.now();
    const reply = await this.#client.request(base, method, path, request);
    const tookMs = Math.round(performance.now() - startedMs);
    const what = `${method} ${new URL(path, base).href}`;
    if (reply.ok) this.#log("DEBUG", `${what}: ${reply.status} in ${tookMs} ms`);
    else this.#log("INFO", `${what}: ${reply.error}`);
    return reply;
  }

  /**
   * An unsafe request to the first of these members that can be reached at all. A member that took the
   * request and did not answer is not followed by another: the request may have been carried out.
   */
  async ofAny(
    members: readonly Pick<ClusterMemberJson, "api_url">[],
    method: string,
    path: string,
    request: RequestOptions = {},
  ): Promise<Reply> {
    let last: Reply = { ok: false, error: "there is no member to ask" };
    for (const member of members) {
      const alive = await this.#request(member.api_url, "GET", "/liveness");
      if (!alive.ok) {
        last = alive;
        continue;
      }
      return await this.ofMember(member, method, path, request);
    }
    return last;
  }
}

/** Nobody who was asked is a member that answers. */
export class NobodyAnswers extends CtlError {
  constructor(failures: readonly string[]) {
    super(`No member of the cluster answers:\n${failures.map((line) => `  ${line}`).join("\n")}`);
  }
}

/** Scheme, host and port of an api_url; null when it is none. */
function originOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).origin : null;
}
