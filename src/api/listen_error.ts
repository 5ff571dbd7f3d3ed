/**
 * Stands in a file of its own: the agent's loop, which only starts the thread of the API, must not load the
 * application.
 */
export class ListenError extends Error {
  override readonly name = "ListenError";
}
