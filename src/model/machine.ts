/**
 * The machine id of a member: random, kept with its raft directory, and bound to the host, so that a copy of
 * the directory (a cloned virtual machine, a restored backup, a copied volume) is another machine. Pure;
 * src/agent/compose/own_machine.ts reads and writes it.
 */

/** A host without network cards of its own (a container): an image gives all of them one machine-id. */
export const UNKNOWN_HOST = "unknown";

/** Where a raft directory lies at present. */
export interface MachinePlace {
  /**
   * Identity of the kernel, by boot_id, and of the process namespace: processes of another are not seen, or
   * gone.
   */
  readonly boot: string;
  /** Device and inode of the raft directory: a copy has others, as long as the host runs. */
  readonly device: string;
  readonly inode: string;
  /**
   * A digest of properties that survive a reboot and differ between hosts: machine-id, network cards.
   * UNKNOWN_HOST: there are none.
   */
  readonly host: string;
  /** PostgreSQL's data directory, resolved: a server in another one proves nothing about this one. */
  readonly dataDir: string;
}

export interface KeptMachine extends MachinePlace {
  readonly machine: string;
}

/**
 * Why `kept` does not stand for a machine at `here` any more; null: it does.
 *
 * Within one boot the directory itself tells: a network card may come and go. After a reboot, device numbers
 * may have changed, and the host must be the same.
 */
export function whyAnotherMachine(kept: KeptMachine, here: MachinePlace): string | null {
  if (kept.dataDir !== here.dataDir) return `data_dir was ${kept.dataDir}`;
  if (kept.inode !== here.inode) return "the raft directory is a copy";
  if (kept.boot === here.boot) {
    return kept.device === here.device ? null : "the raft directory is a copy on another device";
  }
  if (here.host === UNKNOWN_HOST) {
    return "this host (a container?) cannot be told from others after it was started anew";
  }
  return kept.host === here.host ? null : "the raft directory was used on another host";
}

/** null: not one, or that of a later version. */
export function parseMachine(text: string): KeptMachine | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null; // half written, before it was first used
  }
  if (typeof value !== "object" || value === null) return null;
  const { machine, boot, device, inode, host, dataDir } = value as { [key: string]: unknown };
  const texts = [machine, boot, device, inode, host, dataDir];
  if (!texts.every((each): each is string => typeof each === "string" && each !== "")) return null;
  return {
    machine: texts[0]!,
    boot: texts[1]!,
    device: texts[2]!,
    inode: texts[3]!,
    host: texts[4]!,
    dataDir: texts[5]!,
  };
}
