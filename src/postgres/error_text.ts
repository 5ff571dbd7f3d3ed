/** What an error says, for logs and views. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
