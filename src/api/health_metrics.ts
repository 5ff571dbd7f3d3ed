/** Metrics of the health of this member's host and PostgreSQL. Prefix `agent_`. */
import { AILMENT_CAUSES } from "../model/ailment.ts";
import { SYNC_TROUBLES } from "../model/sync_trouble.ts";
import { flag, type LabelledValue, type Look, type Metric } from "./patroni_metrics.ts";
import { gauge } from "./agent_metrics.ts";
import { fixedLabels } from "./exposition.ts";

const NO_AILMENTS = AILMENT_CAUSES.map((cause) => fixedLabels({ cause, severity: "" }));
const OF_TROUBLE = SYNC_TROUBLES.map((kind) => fixedLabels({ kind }));

export const HEALTH_METRICS: readonly Metric[] = [
  gauge(
    "ailment",
    "Value is 1 if this node has an ailment of that cause, 0 otherwise; absent while it has not looked.",
    ({ view: { status } }) => {
      const ailments = status?.ailments;
      if (ailments === undefined) return null;
      return AILMENT_CAUSES.map((cause, at) => {
        const found = ailments.find((each) => each.cause === cause);
        return found === undefined
          ? { labels: NO_AILMENTS[at]!, value: 0 }
          : { labels: { cause, severity: found.severity }, value: 1 };
      });
    },
  ),
  gauge(
    "sync_trouble",
    "Value is 1 if this node holds the lock and synchronous replication has a trouble of that kind, 0 otherwise.",
    ({ view: { status } }) =>
      status === null ? null : SYNC_TROUBLES.map((kind, at) => ({
        labels: OF_TROUBLE[at]!,
        value: flag(status.syncTroubles?.some((one) => one.kind === kind) === true),
      })),
  ),
  gauge(
    "disk_free_bytes",
    "Room for PostgreSQL in the file system of the place.",
    (look) => places(look).map(({ labels, freeBytes }) => ({ labels, value: freeBytes })),
  ),
  gauge(
    "disk_size_bytes",
    "Size of the file system of the place.",
    (look) => places(look).map(({ labels, totalBytes }) => ({ labels, value: totalBytes })),
  ),
  gauge(
    "disk_probe_seconds",
    "How long a small file took that was last written, synced and read there.",
    (look) =>
      places(look).flatMap(({ labels, writeMs }): LabelledValue[] =>
        writeMs === null ? [] : [{ labels, value: writeMs / 1000 }]
      ),
  ),
];

function places({ view }: Look) {
  return (view.places ?? []).map((place) => ({ ...place, labels: { place: place.kind, path: place.path } }));
}
