/**
 * What a node shows of something that was changed elsewhere. Members hear of a change a moment after the one
 * that has answered it, and the thread of a member's REST API a moment after the member: one look proves
 * nothing, so it is asked again.
 */
import { waitFor } from "../../src/demo/wait_for.ts";
import type { RaftJson } from "../../src/api/client.ts";
import type { Host } from "../../src/demo/host.ts";
import { START_MS } from "./harness.ts";

/** The JSON that `host` answers at `path`, once `holds` of it. */
export async function shown<T>(
  what: string,
  host: Host,
  path: string,
  holds: (answer: T) => boolean,
): Promise<T> {
  let last = "";
  try {
    return await waitFor(`${what} at ${path} of ${host.name}`, START_MS, async () => {
      last = (await host.rest(path)).text;
      const answer = JSON.parse(last) as T;
      return holds(answer) ? { answer } : null;
    }).then(({ answer }) => answer);
  } catch (error) {
    throw new Error(`${(error as Error).message} (last seen: ${last})`);
  }
}

export async function raftOf(host: Host): Promise<RaftJson> {
  return JSON.parse((await host.rest("/agent/raft")).text) as RaftJson;
}

/** The raft group as `host` shows it, once `holds` of that. */
export function raftThat(what: string, host: Host, holds: (status: RaftJson) => boolean): Promise<RaftJson> {
  return shown(what, host, "/agent/raft", holds);
}

/** Waits until `host` answers `path` with this status code. */
export async function answersWith(
  host: Host,
  path: string,
  status: number,
  options: { method?: string; body?: unknown; user?: string } = {},
): Promise<void> {
  let last = 0;
  await waitFor(
    `${status} of ${options.method ?? "GET"} ${path} of ${host.name}`,
    START_MS,
    async () => (last = (await host.rest(path, options)).status) === status,
  ).catch((error: Error) => {
    throw new Error(`${error.message} (last seen: ${last})`);
  });
}
