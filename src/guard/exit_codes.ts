/** Exit codes of the guard process. */

/** Another guard serves the same socket: the one that came second goes. */
export const EXIT_ANOTHER_GUARD = 3;
