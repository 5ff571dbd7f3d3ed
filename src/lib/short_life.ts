/**
 * For `agent ctl`, which ends within a second: a function is compiled to machine code only after many more
 * calls than usual. Compiling took a quarter of the processor time of `agent ctl list`, for code that hardly
 * ran before the process ended (docs/benchmark.md).
 */

/** How many times more often than usual a function must run before it is compiled. */
const CALLS = 64;

/** To be called before the code of the task is loaded. Holds for the main thread until its end. */
export function expectShortLife(): void {
  Bun.unsafe.setJITPolicy(CALLS);
}
