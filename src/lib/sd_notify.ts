/**
 * Tells systemd how a service of Type=notify is doing. Outside of systemd, without NOTIFY_SOCKET, nothing
 * happens. Source: sd_notify(3).
 */
import { CLOCK_MONOTONIC, clockMs, sendDatagram } from "./ffi.ts";

let socket: string | null = null;

/**
 * Takes NOTIFY_SOCKET out of the environment: children must not speak in the agent's name. Call once at the
 * start.
 */
export function takeNotifySocket(environment: { [name: string]: string | undefined }): void {
  socket = environment["NOTIFY_SOCKET"] ?? null;
  delete environment["NOTIFY_SOCKET"];
}

/** False when it could not be sent, which matters in tests only. */
export function notifySystemd(state: "READY" | "STOPPING" | "RELOADING"): boolean {
  if (socket === null) return true;
  const microseconds = state === "RELOADING"
    ? `MONOTONIC_USEC=${Math.floor(clockMs(CLOCK_MONOTONIC) * 1000)}\n`
    : "";
  return sendDatagram(socket, `${state}=1\n${microseconds}`).ok;
}
