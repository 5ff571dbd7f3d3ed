/** The commands of `agent ctl`: one file each, loaded only when it is asked for. */
import type { Command } from "./command.ts";

export interface CommandEntry {
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

export const COMMANDS: { readonly [name: string]: CommandEntry } = {
  list: { summary: "List the members of the cluster", load: async () => (await import("./list.ts")).list },
  topology: {
    summary: "Show the members as a tree",
    load: async () => (await import("./topology.ts")).topology,
  },
  watch: {
    summary: "Show the members and the last events, live",
    load: async () => (await import("./live.ts")).live,
  },
  switchover: {
    summary: "Switchover to a replica",
    load: async () => (await import("./switchover.ts")).switchover,
  },
  failover: { summary: "Failover to a replica", load: async () => (await import("./failover.ts")).failover },
  "promote-cluster": {
    summary: "Promote a standby cluster: it gets a primary of its own",
    load: async () => (await import("./change_role.ts")).promoteCluster,
  },
  "demote-cluster": {
    summary: "Demote the cluster to a standby cluster",
    load: async () => (await import("./change_role.ts")).demoteCluster,
  },
  restart: { summary: "Restart cluster members", load: async () => (await import("./restart.ts")).restart },
  reload: {
    summary: "Reload the configuration of cluster members",
    load: async () => (await import("./reload.ts")).reload,
  },
  reinit: { summary: "Reinitialize cluster members", load: async () => (await import("./reinit.ts")).reinit },
  flush: { summary: "Discard scheduled events", load: async () => (await import("./flush.ts")).flush },
  pause: { summary: "Disable auto failover", load: async () => (await import("./pause.ts")).pause },
  resume: { summary: "Resume auto failover", load: async () => (await import("./pause.ts")).resume },
  "show-config": {
    summary: "Show the cluster's configuration",
    load: async () => (await import("./show_config.ts")).showConfig,
  },
  "edit-config": {
    summary: "Edit the cluster's configuration",
    load: async () => (await import("./edit_config.ts")).editConfig,
  },
  config: {
    summary: "Explain a key, show former configurations of the cluster, or return to one",
    load: async () => (await import("./config.ts")).config,
  },
  history: {
    summary: "Show the history of failovers and switchovers",
    load: async () => (await import("./history.ts")).history,
  },
  events: {
    summary: "Show what happened in the cluster, and what led to it",
    load: async () => (await import("./events.ts")).events,
  },
  why: {
    summary: "Say why the leader is the leader, or nobody is, or what keeps a member",
    load: async () => (await import("./why.ts")).why,
  },
  dsn: {
    summary: "Show how to connect to a member, by default the leader",
    load: async () => (await import("./dsn.ts")).dsn,
  },
  query: {
    summary: "Query the PostgreSQL of a member",
    load: async () => (await import("./query.ts")).query,
  },
  dcs: { summary: "Show a raw record of the cluster", load: async () => (await import("./dcs.ts")).dcs },
  remove: {
    summary: "Remove the records of a cluster that is over from this host",
    load: async () => (await import("./remove.ts")).remove,
  },
  raft: { summary: "Show or change the raft group", load: async () => (await import("./raft.ts")).raft },
  watchdog: {
    summary: "Show a member's watchdog, or test that it is fed",
    load: async () => (await import("./watchdog.ts")).watchdog,
  },
  timing: {
    summary: "Show whether the times of a member fit together, and how late things come",
    load: async () => (await import("./timing.ts")).timing,
  },
  version: {
    summary: "Show the version of this program or of running members",
    load: async () => (await import("./version.ts")).version,
  },
};
