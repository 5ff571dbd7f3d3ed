/**
 * The versions that users see: the agent's, and the one of Patroni whose interfaces (REST, CLI, metrics) are
 * spoken.
 */

export const VERSION = "0.1.0";

/** Reported where programs written for Patroni look for a version: `patroni.version`, `patroni_version`. */
export const PATRONI_VERSION = "4.1.4";
