/** The keys outside of all sections, and the sections themselves. */
import { anything, integer, nonEmptyText, section, text } from "../fields.ts";
import { MAX_COUNT } from "../../model/limits.ts";
import { bootstrapSchema } from "./bootstrap.ts";
import { logSchema } from "./log.ts";
import { raftSchema } from "./raft.ts";
import { ctlSchema, restapiSchema } from "./restapi.ts";
import { key, NO_EFFECT, requiredKey } from "./row.ts";
import { tagsSchema } from "./tags.ts";

const rootKeys = {
  name: requiredKey(nonEmptyText, {
    default: "required",
    effect: "restart",
    meaning:
      "name of the member, unique in the cluster; also its `application_name` and the name of its slot",
  }),
  scope: requiredKey(nonEmptyText, {
    default: "required",
    effect: "restart",
    meaning: "name of the cluster; PostgreSQL's `cluster_name`",
  }),
  namespace: key(text, {
    default: "`/service`",
    effect: "restart",
    meaning:
      "the same on all members, with or without slashes at its ends; shown as the prefix of the cluster's keys",
  }),
  thread_pool_size: key(integer(1, MAX_COUNT), NO_EFFECT),
  thread_stack_size: key(anything, NO_EFFECT),
};

export const rootSchema = section(rootKeys);

/** All of the file but postgresql and watchdog, which know their own keys. For names only. */
export const localSchema = section({
  ...rootKeys,
  log: logSchema,
  bootstrap: bootstrapSchema,
  restapi: restapiSchema,
  ctl: ctlSchema,
  raft: raftSchema,
  tags: tagsSchema,
});

/** Sections that name another place for the cluster's state. They are not read. */
export const OTHER_STORES = ["etcd", "etcd3", "consul", "zookeeper", "exhibitor", "kubernetes"] as const;
