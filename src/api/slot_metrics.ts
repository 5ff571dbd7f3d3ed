/** Metrics of the replication slots of this member. Prefix `agent_`. */
import { flag, type Look, type Metric } from "./patroni_metrics.ts";
import { gauge } from "./agent_metrics.ts";

export const SLOT_METRICS: readonly Metric[] = [
  gauge(
    "slot_retained_bytes",
    "WAL that is kept because of the replication slot.",
    (look) => slots(look).map(({ labels, heldBytes }) => ({ labels, value: heldBytes })),
  ),
  gauge(
    "slot_safe_bytes",
    "WAL that may still be written until max_slot_wal_keep_size takes it from the replication slot.",
    (look) =>
      slots(look).flatMap(({ labels, safeBytes }) =>
        safeBytes === null ? [] : [{ labels, value: safeBytes }]
      ),
  ),
  gauge(
    "slot_active",
    "Value is 1 if somebody uses the replication slot, 0 otherwise.",
    (look) => slots(look).map(({ labels, active }) => ({ labels, value: flag(active) })),
  ),
  gauge(
    "slot_wal_status",
    "Value is 1 for the wal_status that PostgreSQL gives the replication slot.",
    (look) =>
      slots(look).flatMap(({ labels, walStatus }) =>
        walStatus === null ? [] : [{ labels: { ...labels, status: walStatus }, value: 1 }]
      ),
  ),
];

function slots({ view }: Look) {
  return (view.postgres?.slots ?? []).map((slot) => ({ ...slot, labels: { slot: slot.name } }));
}
