/**
 * Composes a running witness: its part of the consensus and its REST interface, without PostgreSQL and
 * guard.
 */
import type { LocalConfig } from "../../model/config.ts";
import { formatHostPort, parseHostPort } from "../../model/host_port.ts";
import { Ground, type NodeOptions } from "./ground.ts";
import { WitnessApi } from "../rest/witness_api.ts";
import type { RunningAgent } from "./running.ts";
import { Witness } from "../loop/witness.ts";

/** Starts everything. A part that cannot be opened is logged, and options.exit is called with 1. */
export function startWitness(options: NodeOptions): RunningAgent {
  const { log } = options;
  try {
    return compose(options);
  } catch (error) {
    log.critical("exit", error instanceof Error ? error.message : String(error));
    options.exit(1);
    return { stop() {}, reload() {} };
  }
}

function compose(options: NodeOptions): RunningAgent {
  const { log, config: { name, scope, raft: { selfAddr, electionMaxMs } } } = options;
  if (selfAddr === null) {
    throw new Error("raft.self_addr is missing: a witness votes, so the others must reach it (host:port)");
  }
  const exit = (code: number, message: string) => {
    log.critical("exit", message);
    options.exit(code);
  };
  const ground = new Ground(options, () => witness.voter, (message) => exit(1, message));
  const { clock, wallMs, raft, dcs, effective, record } = ground;
  const witness: Witness = new Witness({
    name,
    raftAddr: selfAddr,
    apiUrl: () => apiUrl(ground.config, ground.apiPort),
    clock,
    wallMs,
    raft,
    dcs,
    log,
    effective,
    record,
    electionMaxMs,
    certificatesEnding: () => ground.certificates.ending,
    exit,
  });
  return ground.run({
    voter: witness.voter,
    api: (reload) => new WitnessApi({ ...ground.forApi(reload), witness }),
    reloaded: () => witness.factsChanged(),
    title: `${name}, a witness of cluster ${scope}`,
    start: () => witness.start(),
    stop: (done) => {
      witness.end();
      done();
    },
    stopping: "stopping",
    removed: ", and stops",
  });
}

/** Where the REST interface really is: a witness without a configured port takes any free one. */
function apiUrl({ restapi }: LocalConfig, port: number | undefined): string {
  const scheme = restapi.certfile === null ? "http" : "https";
  const { host, port: published } = parseHostPort(restapi.connectAddress)!;
  return `${scheme}://${formatHostPort({ host, port: published === 0 ? port ?? 0 : published })}/patroni`;
}
