/** Exit codes of the guard process. */

/** Another guard serves the same socket: the second one ends. */
export const EXIT_ANOTHER_GUARD = 3;
