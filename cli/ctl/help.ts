/** Help and usage texts, made from the descriptions of the commands. */
import type { Command, OptionSpec } from "./command.ts";
import { COMMANDS } from "./registry.ts";

export const GROUP_OPTIONS: readonly OptionSpec[] = [
  {
    names: ["config-file"],
    short: "c",
    value: "FILE",
    help:
      "YAML of a member, or one with scope, raft.partner_addrs and restapi.connect_address (environment: PATRONICTL_CONFIG_FILE)",
  },
  {
    names: ["dcs-url", "dcs"],
    short: "d",
    value: "ADDRESS",
    help:
      "host:port of a member's REST API to ask first, or several with commas between (environment: DCS_URL)",
  },
  { names: ["insecure"], short: "k", help: "Allow connections to SSL sites without certs" },
  { names: ["group"], value: "NUMBER", hidden: true, help: "Accepted and ignored" },
  { names: ["help"], short: "h", help: "Show this message and exit." },
];

export function usageLine(name: string | null, command: Command | null): string {
  if (name === null) return "Usage: agent ctl [OPTIONS] COMMAND [ARGS]...";
  return `Usage: agent ctl ${name} [OPTIONS]${command?.usage ? ` ${command.usage}` : ""}`;
}

export function groupHelp(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  return [
    usageLine(null, null),
    "",
    "  Shows and changes the cluster, through the REST API of any member that answers.",
    "",
    "Options:",
    ...optionLines(GROUP_OPTIONS),
    "",
    "Commands:",
    ...Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "Examples:",
    "  agent ctl list",
    "  agent ctl -c /etc/agent.yml switchover --candidate node2 --force",
    "  agent ctl edit-config -p work_mem=16MB",
    "",
    "Without -c: PATRONICTL_CONFIG_FILE, then ~/.config/patroni/patronictl.yaml, then the agent on this host (port 8008).",
    "Environment: DCS_URL as -d; LOGLEVEL=DEBUG tells every request; NO_COLOR turns colours off.",
    "`agent ctl COMMAND --help` explains a command.",
  ].join("\n");
}

export function commandHelp(name: string, command: Command): string {
  return [
    usageLine(name, command),
    "",
    ...command.description.split("\n").map((line) => `  ${line}`),
    "",
    "Options:",
    ...optionLines([...command.options, ...GROUP_OPTIONS.filter((option) => !isShadowed(option, command))]),
    "",
    "Examples:",
    ...command.examples.map((example) => `  ${example}`),
  ].join("\n");
}

function isShadowed(option: OptionSpec, command: Command): boolean {
  return command.options.some(({ names }) => names.includes(option.names[0]!));
}

function optionLines(options: readonly OptionSpec[]): string[] {
  const taken = new Set<string>();
  const lines: [string, string][] = [];
  for (const { names, short, value, hidden, help } of options) {
    if (hidden) continue;
    const letter = short !== undefined && !taken.has(short) ? short : undefined;
    if (letter !== undefined) taken.add(letter);
    const spelled = [
      ...(letter === undefined ? [] : [`-${letter}`]),
      ...names.filter((name) => name.length > 1).map((name) => `--${name}`),
    ];
    lines.push([`${spelled.join(", ")}${value === undefined ? "" : ` ${value}`}`, help]);
  }
  const width = Math.max(...lines.map(([spelled]) => spelled.length));
  return lines.map(([spelled, help]) => `  ${spelled.padEnd(width)}  ${help}`);
}
