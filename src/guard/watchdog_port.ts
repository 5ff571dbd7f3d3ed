/** A watchdog device as its owner (src/agent/lease/watchdog.ts) sees it, with any driver. */

/** Why a device cannot be used, and the command that changes that. */
export interface WatchdogProblem {
  readonly code: "missing" | "permission" | "busy" | "not-a-watchdog" | "timeout" | "failed";
  readonly text: string;
  readonly advice: string;
}

export type DeviceResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: WatchdogProblem };

export interface DeviceFacts {
  readonly identity: string | null;
  /**
   * The reason of the last boot, as the device remembers it: "watchdog", "overheat" ...; null: nothing
   * particular, or unknown.
   */
  readonly bootCause: string | null;
  /** Started once, it cannot be stopped any more. */
  readonly nowayout: boolean;
}

export interface WatchdogDevice {
  readonly path: string;
  /**
   * Why it could not be opened, without opening it (which would start it); null when there is no obstacle.
   */
  probe(): WatchdogProblem | null;
  /** The facts that can be known of it without opening it. */
  facts(): DeviceFacts;
  /** From here on it runs, and resets the host unless it is fed. */
  open(): DeviceResult<DeviceFacts>;
  /** Returns the timeout in force, which need not be the one asked for. */
  setTimeout(seconds: number): DeviceResult<number>;
  feed(): DeviceResult<null>;
  /** Stops it. With nowayout it goes on. */
  stop(): void;
  /** Gives it up without stopping it: the host is reset when its time is over. */
  abandon(): void;
  /** Seconds until the reset, as the device says; null when it does not. */
  timeLeftS(): number | null;
}
