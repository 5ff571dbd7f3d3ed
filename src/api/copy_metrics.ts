/** Metrics of the copy of another member's data that is under way on this node; absent while none is. */
import { type CopyStatus, secondsLeft } from "../model/copy_status.ts";
import type { Metric } from "./patroni_metrics.ts";

function gauge(name: string, help: string, valueOf: (copy: CopyStatus) => number | null): Metric {
  return {
    name: `agent_copy_${name}`,
    help,
    type: "gauge",
    value: ({ view }) => {
      const copy = view.postgres?.action?.copy;
      const value = copy === undefined ? null : valueOf(copy);
      return copy === undefined || value === null ? [] : [{ labels: { from: copy.from }, value }];
    },
  };
}

export const COPY_METRICS: readonly Metric[] = [
  gauge("done_bytes", "Bytes that the running copy of another node's data has received.", (copy) => {
    return copy.doneBytes;
  }),
  gauge("total_bytes", "Bytes that the running copy will have, as its source estimates.", (copy) => {
    return copy.totalBytes;
  }),
  gauge("bytes_per_second", "How fast the running copy has gone on in the last seconds.", (copy) => {
    return copy.bytesPerSecond;
  }),
  gauge("left_seconds", "Seconds until the running copy is complete at that rate.", secondsLeft),
];
