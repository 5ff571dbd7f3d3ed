/** A virtual machine with a watchdog device, started and watched until it is reset or turns itself off. */
import { spawn } from "node:child_process";

export interface MachineOptions {
  readonly kernel: string;
  readonly initramfs: string;
  /** What to do to the agent in it. */
  readonly probe: "kill" | "stop" | "clean";
  readonly driver: "softdog" | "i6300esb";
  readonly deadlineMs: number;
}

/** Line of the machine for the test: its uptime, and its text. */
export interface Said {
  readonly uptimeS: number;
  readonly text: string;
}

export interface MachineRun {
  readonly said: readonly Said[];
  /** Everything on the serial line. */
  readonly console: string;
  /** Uptime at which it was reset; null: it turned itself off. */
  readonly resetAtS: number | null;
}

export function runMachine(options: MachineOptions): Promise<MachineRun> {
  const { kernel, initramfs, probe, driver, deadlineMs } = options;
  const qemu = spawn("qemu-system-x86_64", [
    ...["-accel", "tcg", "-cpu", "max", "-m", "1024", "-M", "pc"],
    ...["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"],
    ...(driver === "i6300esb" ? ["-device", "i6300esb", "-watchdog-action", "reset"] : []),
    ...["-kernel", kernel, "-initrd", initramfs, "-append"],
    `console=ttyS0 quiet loglevel=4 panic=-1 rdinit=/init probe=${probe} driver=${driver}`,
  ], { stdio: ["ignore", "pipe", "pipe"] });
  const timer = setTimeout(() => qemu.kill("SIGKILL"), deadlineMs);
  const said: Said[] = [];
  let console = "";
  let rest = "";
  let lastSaidMs = 0;
  let softdogResetS: number | null = null;
  qemu.stdout.on("data", (chunk: Uint8Array) => {
    const text = new TextDecoder().decode(chunk);
    console += text;
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop()!;
    for (const line of lines) {
      const ours = /^@ ([\d.]+) (.*)$/.exec(line);
      if (ours !== null) {
        said.push({ uptimeS: Number(ours[1]), text: ours[2]! });
        lastSaidMs = performance.now();
      }
      const reset = /^\[\s*([\d.]+)\] softdog: Initiating system reboot/.exec(line);
      if (reset !== null) softdogResetS = Number(reset[1]);
    }
  });
  qemu.stderr.on("data", (chunk: Uint8Array) => void (console += new TextDecoder().decode(chunk)));
  return new Promise((resolve, reject) => {
    qemu.on("error", reject);
    qemu.on("close", (code, signal) => {
      clearTimeout(timer);
      if (code !== 0) return reject(new Error(`qemu ended with ${code ?? signal}:\n${console}`));
      const off = said.some(({ text }) => text === "refused" || text.startsWith("failed"));
      const silentS = (performance.now() - lastSaidMs) / 1000;
      const resetAtS = off ? null : softdogResetS ?? (said.at(-1)?.uptimeS ?? 0) + silentS;
      resolve({ said, console, resetAtS });
    });
  });
}
