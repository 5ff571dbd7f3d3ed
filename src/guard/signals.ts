/** Signal numbers of Linux, and what PostgreSQL's postmaster does with them. */

export const SIGHUP = 1;
/** Fast shutdown. */
export const SIGINT = 2;
/** Immediate shutdown. */
export const SIGQUIT = 3;
export const SIGKILL = 9;
/** Look for the promote trigger file. */
export const SIGUSR1 = 10;
export const SIGTERM = 15;
export const SIGCONT = 18;
export const SIGSTOP = 19;
