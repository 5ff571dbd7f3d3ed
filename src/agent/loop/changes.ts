/** Counts the changes of the REST interface's content, and tells those that wait for one. */
export class Changes {
  #version = 0;
  readonly #listeners = new Set<() => void>();

  get version(): number {
    return this.#version;
  }

  /** Calls `listener` after each change; returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  changed(): void {
    this.#version++;
    for (const listener of this.#listeners) listener();
  }
}
