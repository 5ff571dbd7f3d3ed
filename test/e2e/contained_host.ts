/**
 * A host of a cluster whose agent runs in namespaces of its own, as in a container: who is process 1 there is
 * the point.
 */
import { Host } from "../../src/demo/host.ts";
import { commandLine } from "../../src/demo/processes.ts";
import { listPids, readProcess } from "../../src/lib/process_table.ts";

/** Process 1 of its namespace is the agent itself. */
export const AGENT_IS_INIT = ["unshare", "--pid", "--fork", "--mount-proc"];

/** Process 1 starts the agent, and takes note of ended children every three seconds only. */
export const LATE_INIT = [
  ...AGENT_IS_INIT,
  "perl",
  "-e",
  "my $child = fork; if (!$child) { exec @ARGV } while (1) { select undef, undef, undef, 3; 1 while waitpid(-1, 1) > 0 }",
];

/**
 * The agent is process 1, and its root is a directory with what it needs, and not one device more than that.
 */
export function ownRoot(root: string, binary: string): string[] {
  const script = `
    set -e
    root=$1; binary=$2; shift 2
    mount -t tmpfs tmpfs "$root"
    for name in bin etc lib lib64 sbin usr tmp; do
      [ -e "/$name" ] || continue
      if [ -L "/$name" ]; then cp -d "/$name" "$root/$name"
      else mkdir "$root/$name"; mount --rbind "/$name" "$root/$name"; fi
    done
    mkdir "$root/proc" "$root/dev" "$root/dev/shm" "$root/run"
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    for name in null zero random urandom; do : > "$root/dev/$name"; mount --bind "/dev/$name" "$root/dev/$name"; done
    if [ ! -e "$root$binary" ]; then
      mkdir -p "$root\${binary%/*}"; : > "$root$binary"; mount --bind "$binary" "$root$binary"
    fi
    exec chroot "$root" "$@"`;
  return ["unshare", "--mount", "--pid", "--fork", "sh", "-c", script, "sh", root, binary];
}

export class ContainedHost extends Host {
  /** `contain`: put before the command that becomes another user. */
  constructor(host: Host, contain: readonly string[]) {
    const { settings } = host;
    super(host.directory, host.addresses, { ...settings, prefix: [...contain, ...settings.prefix] });
  }

  /** Its root may still be made, or its process 1 be about to end. */
  override runs(): boolean {
    return super.agentPid() !== null;
  }

  /** Pid of the agent outside the container; the agent sees another one. */
  override agentPid(): number | null {
    const outer = super.agentPid();
    if (outer === null) return null;
    const inner = listPids().filter((pid) => descends(pid, outer)).find((pid) => this.#isAgent(pid));
    return inner ?? null;
  }

  #isAgent(pid: number): boolean {
    const [program, command] = commandLine(pid);
    return program === this.settings.binary && command === "run";
  }
}

function descends(pid: number, ancestor: number): boolean {
  for (let at = readProcess(pid); at !== null; at = readProcess(at.parentPid)) {
    if (at.parentPid === ancestor) return true;
  }
  return false;
}
