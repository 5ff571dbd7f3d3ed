/**
 * `watchdog.driver: testing`: writes the acts of a driver to a FIFO or a file. `Ctimeout=<seconds>\n` where
 * the timeout is set, `1` for a keepalive, `V` before a close that stops it.
 */
import { accessSync, closeSync, constants, openSync, writeSync } from "node:fs";
import type { DeviceFacts, DeviceResult, WatchdogDevice, WatchdogProblem } from "./watchdog_port.ts";
import { codeOf, feedProblem, noReader, openProblem } from "./watchdog_problem.ts";

const FACTS: DeviceFacts = { identity: "testing", bootCause: null, nowayout: false };

export class TestingWatchdog implements WatchdogDevice {
  readonly path: string;
  readonly #user: string;
  #fd: number | null = null;

  constructor(path: string, user: string) {
    this.path = path;
    this.#user = user;
  }

  probe(): WatchdogProblem | null {
    try {
      accessSync(this.path, constants.W_OK);
      return null;
    } catch (error) {
      return openProblem(this.path, codeOf(error), this.#user);
    }
  }

  facts(): DeviceFacts {
    return FACTS;
  }

  open(): DeviceResult<DeviceFacts> {
    try {
      // Not waiting for a reader of a FIFO, nor for its reading.
      this.#fd ??= openSync(this.path, constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK);
      return { ok: true, value: FACTS };
    } catch (error) {
      const code = codeOf(error);
      const problem = code === "ENXIO" ? noReader(this.path) : openProblem(this.path, code, this.#user);
      return { ok: false, problem };
    }
  }

  setTimeout(seconds: number): DeviceResult<number> {
    const written = this.#write(`Ctimeout=${seconds}\n`);
    return written.ok ? { ok: true, value: seconds } : written;
  }

  feed(): DeviceResult<null> {
    return this.#write("1");
  }

  stop(): void {
    if (this.#fd !== null) this.#write("V");
    this.abandon();
  }

  abandon(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  timeLeftS(): null {
    return null;
  }

  #write(text: string): DeviceResult<null> {
    try {
      if (this.#fd !== null) writeSync(this.#fd, text);
      return { ok: true, value: null };
    } catch (error) {
      return { ok: false, problem: feedProblem(this.path, codeOf(error)) };
    }
  }
}
