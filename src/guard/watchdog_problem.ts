/** The problems of a watchdog device, in words, with the commands that put them right. */
import type { WatchdogProblem } from "./watchdog_port.ts";

/** `user`: the user that runs the agent, for the commands. */
export function openProblem(device: string, code: string, user: string): WatchdogProblem {
  switch (code) {
    case "ENOENT":
    case "ENODEV":
    case "ENXIO":
      return {
        code: "missing",
        text: `${device} does not exist: no watchdog driver is loaded`,
        advice: "Load the driver of the hardware, or the kernel's own: modprobe softdog. " +
          "To have it after each boot: echo softdog > /etc/modules-load.d/watchdog.conf",
      };
    case "EACCES":
    case "EPERM":
      return {
        code: "permission",
        text: `${device} may not be written by ${user}`,
        advice: `Give it to ${user}: echo 'KERNEL=="watchdog*", OWNER="${user}", MODE="0600"' > ` +
          "/etc/udev/rules.d/60-agent-watchdog.rules && udevadm control --reload && " +
          `udevadm trigger --subsystem-match=watchdog --subsystem-match=misc (for now: chown ${user} ${device}). ` +
          `Or start the agent as root with --user ${user}. In a unit with PrivateDevices= or DevicePolicy=, ` +
          `add: DeviceAllow=${device} rw`,
      };
    case "EBUSY":
      return {
        code: "busy",
        text: `${device} is in use by another program`,
        advice: `See who has it: fuser -v ${device} . If it is systemd, set RuntimeWatchdogSec=off in ` +
          "/etc/systemd/system.conf and systemctl daemon-reexec; if it is the watchdog daemon, systemctl disable " +
          "--now watchdog; or name another device in watchdog.device",
      };
    default:
      return {
        code: "failed",
        text: `${device} cannot be opened (${code})`,
        advice: "See the kernel's log: dmesg | grep -i watchdog",
      };
  }
}

export function notADevice(device: string): WatchdogProblem {
  return {
    code: "not-a-watchdog",
    text: `${device} is not a watchdog device`,
    advice: "Name one in watchdog.device: ls -l /dev/watchdog*",
  };
}

export function noReader(path: string): WatchdogProblem {
  return {
    code: "missing",
    text: `no process reads the FIFO ${path}`,
    advice: `With driver testing, something must stand for the device: cat ${path}`,
  };
}

export function timeoutProblem(device: string, seconds: number, name: string): WatchdogProblem {
  return {
    code: "timeout",
    text: `${device} cannot be set to a timeout of ${seconds} s (${name})`,
    advice:
      "See what it can do: wdctl. Choose ttl and watchdog.safety_margin so that it fits, or load another driver",
  };
}

export function unknownTimeout(device: string): WatchdogProblem {
  return {
    code: "timeout",
    text: `the driver of ${device} neither takes nor tells a timeout`,
    advice: "It cannot be known when it resets the host: load another driver, for example modprobe softdog",
  };
}

export function feedProblem(device: string, code: string): WatchdogProblem {
  return {
    code: "failed",
    text: `${device} does not take keepalives (${code})`,
    advice: "See whether its driver was unloaded: dmesg | grep -i watchdog",
  };
}

/** The code of a failed call of the runtime. */
export function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  if (typeof code !== "string") throw error;
  return code;
}
