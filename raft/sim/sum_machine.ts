/**
 * The state machine of simulated nodes. It adds up its commands, so that two nodes at the same index must
 * have the same sum. Besides the sum it has a few registers: a command stores a value in one of them and
 * yields the value before it.
 */
import type { StateMachine } from "../node/ports.ts";
import { EMPTY } from "./linearizability.ts";

export const REGISTERS = 3;
/** Size of a command's head: the register, and the value to store there. */
export const HEADER_BYTES = 5;

export class Sum implements StateMachine {
  #bytes = new Uint8Array(8);
  #registers: number[] = Array.from({ length: REGISTERS }, () => EMPTY);
  index = 0;

  readonly #onApply: (index: number, term: number, command: Uint8Array) => void;
  readonly #onState: (sum: Sum) => void;

  constructor(
    onApply: (index: number, term: number, command: Uint8Array) => void = () => {},
    onState: (sum: Sum) => void = () => {},
  ) {
    this.#onApply = onApply;
    this.#onState = onState;
  }

  get value(): string {
    return `${this.#bytes.join(" ")}, ${this.#registers.join(" ")}`;
  }

  apply(command: Uint8Array, index: number, term: number): number {
    this.#onApply(index, term, command);
    this.index = index;
    const next = this.#bytes.slice();
    for (let i = 0; i < command.length; i++) next[i % 8] = (next[i % 8]! * 31 + command[i]!) & 255;
    this.#bytes = next;
    const before = this.#write(command);
    this.#onState(this);
    return before;
  }

  #write(command: Uint8Array): number {
    if (command.length < HEADER_BYTES) return EMPTY;
    const register = registerOf(command);
    const before = this.#registers[register]!;
    this.#registers[register] = valueOf(command);
    return before;
  }

  register(k: number): number {
    return this.#registers[k]!;
  }

  snapshot(): Uint8Array {
    const { index } = this;
    const bytes = this.#bytes;
    const registers = this.#registers;
    return new TextEncoder().encode(JSON.stringify({ index, bytes: [...bytes], registers }));
  }

  restore(data: Uint8Array): void {
    const { index, bytes, registers } = JSON.parse(new TextDecoder().decode(data)) as {
      index: number;
      bytes: number[];
      registers: number[];
    };
    this.index = index;
    this.#bytes = Uint8Array.from(bytes);
    this.#registers = registers;
    this.#onState(this);
  }
}

/** State in a snapshot, for inspection. */
export function restoredSum(snapshot: Uint8Array): Sum {
  const sum = new Sum();
  sum.restore(snapshot);
  return sum;
}

export function registerOf(command: Uint8Array): number {
  return command[0]! % REGISTERS;
}

export function valueOf(command: Uint8Array): number {
  return new DataView(command.buffer, command.byteOffset).getUint32(1);
}

export function setValue(command: Uint8Array, value: number): void {
  new DataView(command.buffer, command.byteOffset).setUint32(1, value);
}
