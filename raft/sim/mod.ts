/** Base of larger simulations: a seeded world with hosts, processes, clocks, disks and a network. */
export { EventLog } from "./event_log.ts";
export {
  cutFault,
  directionsOf,
  drawDisk,
  drawNetwork,
  drawWeights,
  type Fault,
  FaultInjector,
  type FaultMaker,
  type NetworkFault,
  networkFaults,
} from "./faults.ts";
export { RaftInvariants } from "./invariants.ts";
export { Prng } from "./prng.ts";
export { overWorkers, type Share, shareOf } from "./seed_workers.ts";
export { SimClock } from "./sim_clock.ts";
export { SimHost, SimProcess } from "./sim_host.ts";
export { CALM_NETWORK, type NetworkSettings, SimNetwork } from "./sim_network.ts";
export { CALM_DISK, type DiskSettings, SimDisk } from "./sim_storage.ts";
export { sourceVersion } from "./source_version.ts";
export { Violation, World } from "./world.ts";
