/** Metrics of the user's own commands: callbacks, pre_promote, before_stop, post_bootstrap. */
import type { Metric } from "./patroni_metrics.ts";

export const HOOK_METRICS: readonly Metric[] = [
  {
    name: "agent_callback_exit_total",
    help: "How callbacks and hooks of this node ended since its agent started, by exit code.",
    type: "counter",
    value: ({ view }) =>
      (view.hookExits ?? []).map(({ hook, code, count }) => ({ labels: { hook, code }, value: count })),
  },
];
