/** The process in the foreground, a member or a witness, as its starter sees it. */
export interface RunningAgent {
  /** SIGTERM: a member stops PostgreSQL and hands over. Ends the process. */
  stop(): void;
  /** SIGHUP. */
  reload(): void;
}

/**
 * Exit code of a member that was removed: starting it again does not help (RestartPreventExitStatus= in a
 * unit).
 */
export const EXIT_REMOVED = 3;
