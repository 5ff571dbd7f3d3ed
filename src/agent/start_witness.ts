/** Composition of a running witness: its part of the consensus and its REST interface, without PostgreSQL and guard. */
import { ApiThread } from "../api/thread/api_thread.ts";
import { DcsStateMachine } from "../dcs/state_machine.ts";
import { SystemClock, wallClockMs } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { LocalConfig } from "../model/config.ts";
import { formatHostPort, parseHostPort } from "../model/host_port.ts";
import { VERSION } from "../model/version.ts";
import { dynamicReader } from "./dynamic_reader.ts";
import { openRaft } from "./open_raft.ts";
import { logQuorum } from "./quorum_watch.ts";
import { applyReload, inTurn } from "./reload.ts";
import { EXIT_REMOVED, type RunningAgent } from "./running.ts";
import { Witness } from "./witness.ts";
import { WitnessApi } from "./rest/witness_api.ts";

export interface WitnessOptions {
  readonly config: LocalConfig;
  /** Reads the file again; null with the reasons logged when it cannot be used. */
  readonly reload: () => LocalConfig | null;
  readonly log: Log;
  readonly exit: (code: number) => void;
}

/** Starts everything. What cannot be opened is said, and options.exit is called with 1. */
export function startWitness(options: WitnessOptions): RunningAgent {
  const { log } = options;
  try {
    return compose(options);
  } catch (error) {
    log.critical("exit", error instanceof Error ? error.message : String(error));
    options.exit(1);
    return { stop() {}, reload() {} };
  }
}

function compose(options: WitnessOptions): RunningAgent {
  const { log } = options;
  let { config } = options;
  const { selfAddr } = config.raft;
  if (selfAddr === null) {
    throw new Error("raft.self_addr is missing: a witness votes, so the others must reach it (host:port)");
  }
  const clock = new SystemClock();
  const dcs = new DcsStateMachine();
  const exit = (code: number, message: string) => {
    log.critical("exit", message);
    options.exit(code);
  };
  const { raft, closeRaft, tlsWatch } = openRaft({
    config: () => config,
    clock,
    dcs,
    log,
    mayRemove: (info) => witness.objectionTo(info),
    mayJoin: (visitor) => witness.objectionToJoining(visitor),
    fatal: (message) => exit(1, message),
  });
  const dynamicOf = dynamicReader(() => config, log);
  let api: ApiThread | null = null;
  const witness = new Witness({
    name: config.name,
    raftAddr: selfAddr,
    apiUrl: () => apiUrl(config, api?.port),
    clock,
    wallMs: wallClockMs,
    raft,
    dcs,
    log,
    effective: dynamicOf,
    electionMaxMs: config.raft.electionMaxMs,
    exit,
  });
  const reload = inTurn(async () => {
    const read = options.reload();
    if (read === null) return;
    const use = (next: LocalConfig) => {
      config = next;
      witness.factsChanged();
    };
    await applyReload({ inForce: config, read, use, tls: tlsWatch, api, log });
  });
  const port = new WitnessApi({
    config: () => config,
    witness,
    raft,
    dcs,
    clock,
    wallMs: wallClockMs,
    reload,
  });
  api = new ApiThread(port, config, { clock, log });
  log.info("start", `agent ${VERSION} started as ${config.name}, a witness of cluster ${config.scope}`);
  witness.voter.changes.onChange(logQuorum(() => raft.status(), clock, log));
  let stopping = false;
  const stop = (code: number) => {
    if (stopping) return;
    stopping = true;
    witness.end();
    raft.stop();
    closeRaft(() => options.exit(code));
  };
  raft.onEvent((event) => {
    if (event.kind !== "removed") return;
    log.critical(
      "exit",
      `${config.name} was removed from the cluster, and stops. To make it a member again, move ${config.raft.dataDir} ` +
        "aside and start it: it joins as a new one",
    );
    stop(EXIT_REMOVED);
  });
  witness.start();
  raft.start();
  return {
    reload: () => void reload(),
    stop() {
      if (!stopping) log.info("stop", "stopping");
      stop(0);
    },
  };
}

/** Where the REST interface really is: a witness without a configured port takes any free one. */
function apiUrl({ restapi }: LocalConfig, port: number | undefined): string {
  const scheme = restapi.certfile === null ? "http" : "https";
  const { host, port: published } = parseHostPort(restapi.connectAddress)!;
  return `${scheme}://${formatHostPort({ host, port: published === 0 ? port ?? 0 : published })}/patroni`;
}
