/** The text of an error, for logs and views. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
