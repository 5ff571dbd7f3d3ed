/** Every file of the product that touches the runtime (Bun.*, bun:ffi, node:*, process), by name and in one place. */
export const RUNTIME_FILES: readonly string[] = [];
