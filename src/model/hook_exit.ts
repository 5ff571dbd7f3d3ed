/** How the user's own commands ended: callbacks, pre_promote, before_stop, post_bootstrap. */
export interface HookExit {
  /** Name of its key: on_start, pre_promote ... */
  readonly hook: string;
  /** The exit code, the signal that ended it, or "timeout", "replaced", "not started". */
  readonly code: string;
  /** Since the start of the agent. */
  readonly count: number;
}

/** How what a member ran has ended, since the start of its agent. */
export interface Ends {
  readonly hooks: readonly HookExit[];
  readonly rewinds: { readonly ok: number; readonly failed: number };
}
