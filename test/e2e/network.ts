/**
 * Three hosts with network namespaces of their own, a switch, and a place beside it for the test. Needs root
 * and iproute2.
 */
import { spawnSync } from "node:child_process";
import { networkInterfaces } from "node:os";

/**
 * Networks that this process has made: the kernel takes the parts of one away some time after they were given
 * up.
 */
let made = 0;

function ip(...args: string[]): void {
  const result = spawnSync("ip", args, { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`ip ${args.join(" ")}: ${result.stderr ?? result.error?.message}`);
}

/** Whether this machine allows the test to make network namespaces. */
export function hasNamespaces(): boolean {
  if (process.getuid?.() !== 0) return false;
  const name = `agent${process.pid}probe`;
  if (spawnSync("ip", ["netns", "add", name]).status !== 0) return false;
  const usable =
    spawnSync("ip", ["-n", name, "link", "add", "v0", "type", "veth", "peer", "name", "v1"]).status === 0;
  spawnSync("ip", ["netns", "del", name]);
  return usable;
}

export class Network {
  /** Names of interfaces hold 15 characters, and another run of tests may have a network beside this one. */
  readonly #prefix = `agent${process.pid}${"abcdefghijklmnopqrstuvwxyz"[made++ % 26]}`;
  readonly #number = claimSubnet();
  readonly #subnet = subnetOf(this.#number);
  readonly #nodes: number;
  /** A second address of the same network on this host would take the next one's traffic. */
  readonly #atExit = () => this.close();

  constructor(nodes: number) {
    this.#nodes = nodes;
    process.on("exit", this.#atExit);
    ip("netns", "add", this.#name("s"));
    ip("-n", this.#name("s"), "link", "add", "br0", "type", "bridge");
    ip("-n", this.#name("s"), "link", "set", "br0", "up");
    for (let i = 1; i <= nodes; i++) {
      ip("netns", "add", this.#name(i));
      ip(
        "link",
        "add",
        "eth0",
        "netns",
        this.#name(i),
        "type",
        "veth",
        "peer",
        "name",
        `v${i}`,
        "netns",
        this.#name("s"),
      );
      ip("-n", this.#name("s"), "link", "set", `v${i}`, "master", "br0", "up");
      ip("-n", this.#name(i), "addr", "add", `${this.#subnet}.${i}/24`, "dev", "eth0");
      ip("-n", this.#name(i), "link", "set", "eth0", "up");
      ip("-n", this.#name(i), "link", "set", "lo", "up");
    }
    // This is the test's own cable to the switch.
    ip("link", "add", this.#name("h"), "type", "veth", "peer", "name", "vh", "netns", this.#name("s"));
    ip("-n", this.#name("s"), "link", "set", "vh", "master", "br0", "up");
    ip("addr", "add", `${this.#subnet}.254/24`, "dev", this.#name("h"));
    ip("link", "set", this.#name("h"), "up");
  }

  place(index: number): { address: string; namespace: string } {
    return { address: `${this.#subnet}.${index}`, namespace: this.#name(index) };
  }

  /**
   * Put before a command: it runs at the node's place, where the node is reached when it is cut off. 0 is the
   * switch.
   */
  inside(index: number): string[] {
    return ["ip", "netns", "exec", this.#name(index === 0 ? "s" : index)];
  }

  /** Pulls the cable of a node: nothing reaches it, the test included. */
  cut(index: number): void {
    ip("-n", this.#name("s"), "link", "set", `v${index}`, "down");
  }

  mend(index: number): void {
    ip("-n", this.#name("s"), "link", "set", `v${index}`, "up");
  }

  /**
   * Nothing that one node sends reaches the other, which may go on sending: it writes to a card that nobody
   * has.
   */
  cutWay(from: number, to: number): void {
    const address = this.place(to).address;
    const nobody = ["lladdr", "02:00:00:00:00:01", "nud", "permanent", "dev", "eth0"];
    ip("-n", this.#name(from), "neigh", "replace", address, ...nobody);
  }

  mendWay(from: number, to: number): void {
    ip("-n", this.#name(from), "neigh", "del", this.place(to).address, "dev", "eth0");
  }

  /**
   * Takes the node's cable from the switch, for a program at the switch that carries packets between both
   * ends. Returns the names of the ends there.
   */
  openCable(index: number): [ofNode: string, ofSwitch: string] {
    const [end, plug] = [`d${index}`, `e${index}`];
    const place = this.#name("s");
    ip("-n", place, "link", "add", end, "type", "veth", "peer", "name", plug);
    ip("-n", place, "link", "set", end, "up");
    ip("-n", place, "link", "set", plug, "master", "br0", "up");
    ip("-n", place, "link", "set", `v${index}`, "nomaster");
    return [`v${index}`, end];
  }

  closeCable(index: number): void {
    ip("-n", this.#name("s"), "link", "set", `v${index}`, "master", "br0");
    ip("-n", this.#name("s"), "link", "del", `d${index}`);
  }

  /** The card of this host at the switch. */
  get ownCard(): string {
    return this.#name("h");
  }

  /**
   * Blocks one TCP port of a node, as a firewall there would: what it sends from or to that port goes
   * nowhere.
   */
  cutPort(index: number, port: number): void {
    for (const rule of portRules(port)) ip("-n", this.#name(index), "rule", "add", ...rule);
  }

  /** May be called for a port that is not cut. */
  mendPort(index: number, port: number): void {
    for (const rule of portRules(port)) {
      spawnSync("ip", ["-n", this.#name(index), "rule", "del", ...rule]);
    }
  }

  close(): void {
    process.off("exit", this.#atExit);
    spawnSync("ip", ["link", "del", this.#name("h")]);
    for (
      const name of [...Array.from({ length: this.#nodes }, (_, i) => this.#name(i + 1)), this.#name("s")]
    ) {
      spawnSync("ip", ["netns", "del", name]);
    }
    spawnSync("ip", ["netns", "del", claimOf(this.#number)]);
  }

  #name(what: string | number): string {
    return `${this.#prefix}${what}`;
  }
}

const subnetOf = (number: number) => `10.213.${number}`;
const claimOf = (number: number) => `agentnet${number}`;

/**
 * The number of a network that nobody on this host has. An interface gets its address only when the rest is
 * made: until then an empty namespace, whose name cannot be had twice, says that it is taken.
 */
function claimSubnet(): number {
  const used = Object.values(networkInterfaces()).flatMap((all) => all ?? []).map(({ address }) => address);
  for (let i = 0; i < 256; i++) {
    const number = (process.pid + i) % 256;
    if (used.some((address) => address.startsWith(`${subnetOf(number)}.`))) continue;
    if (spawnSync("ip", ["netns", "add", claimOf(number)]).status === 0) return number;
  }
  throw new Error("every network of 10.213.0.0/16 is in use here: ip link show; ip netns list");
}

/** Rules of routing: they need no firewall in the kernel. */
function portRules(port: number): string[][] {
  return ["sport", "dport"].map((side) => ["pref", "100", "ipproto", "tcp", side, String(port), "blackhole"]);
}
