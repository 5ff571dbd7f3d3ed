/** postmaster.pid: the server's process, where it listens, and whether it accepts connections yet. */

export interface PostmasterPid {
  readonly pid: number;
  readonly dataDir: string;
  readonly port: number | null;
  readonly socketDir: string | null;
  readonly listenAddress: string | null;
  /** "starting": not yet; "standby": recovers without hot_standby. null: not written yet. */
  readonly status: "starting" | "stopping" | "ready" | "standby" | null;
}

/** Content of the file; null when it is none (half-written while the server begins). */
export function parsePostmasterPid(text: string): PostmasterPid | null {
  const lines = text.split("\n").map((line) => line.trim());
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0 || !lines[1]) return null;
  const status = lines[7] ?? "";
  return {
    pid,
    dataDir: lines[1],
    port: Number(lines[3]) || null,
    socketDir: lines[4] || null,
    listenAddress: lines[5] || null,
    status: status === "starting" || status === "stopping" || status === "ready" || status === "standby"
      ? status
      : null,
  };
}
