/** The commands that people and service managers start, and the overview of all. */
import { type CAC, cac } from "cac";
import { HeldSignals } from "../src/lib/held_signals.ts";
import { PATRONI_VERSION, VERSION } from "../src/model/version.ts";
import { type Action, type Command, readWords } from "./command_line.ts";
import { shownWord, wholeNumber } from "./ctl/arguments.ts";
import { UsageError } from "./ctl/errors.ts";
import type { Io } from "./ctl/io.ts";
import { nearest } from "./ctl/nearest.ts";
import { DEMO_EXAMPLES, DEMO_HELP, DEMO_OPTIONS } from "./demo_options.ts";

/**
 * Returns the exit code: 2 where the command line is wrong. null: `run` or `witness` goes on, and ends the
 * process itself. `signals`: held since the process began, for these two.
 */
export async function runCommandLine(
  argv: readonly string[],
  io: Io,
  signals?: HeldSignals,
): Promise<number | null> {
  const [name, ...words] = argv;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") return say(io, OVERVIEW);
  if (name === "--version" || name === "-v") return say(io, `agent ${VERSION}`);
  const cli = programCommands(signals);
  const command = cli.commands.find((one) => one.isMatched(name));
  if (command === undefined) return unknownCommand(cli, name, io);
  try {
    const given = readWords(command, words);
    if (given === null) return help(cli, command, io);
    return await (command.commandAction as Action)(given, io);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(`Error: ${error.message}\nTry 'agent ${name} --help' for help.`);
    return 2;
  }
}

/** The commands with all that is said of them but for `ctl`, which has tables of its own. */
export function programCommands(signals?: HeldSignals): CAC {
  const cli = cac("agent");
  cli.help((sections) => {
    const name = cli.matchedCommand?.name ?? "";
    const about = Object.hasOwn(DESCRIPTIONS, name) ? DESCRIPTIONS[name]! : null;
    return about === null ? sections : sections.toSpliced(2, 0, { body: about.replace(/^/gm, "  ") });
  });
  describeServices(cli, signals);
  describeValidation(cli);
  describeRecovery(cli);
  describeGenerators(cli);
  describeService(cli);
  describeReplay(cli);
  describeDemo(cli);
  describeManual(cli);
  add(
    cli,
    "version",
    "Print the version",
    (given, io) => say(io, given.flag("patroni") ? `patroni ${PATRONI_VERSION}` : `agent ${VERSION}`),
  )
    .option("--patroni", "Of Patroni whose interfaces this program has, as patroni --version prints it")
    .example("agent version");
  return cli;
}

/** `synopsis`: its name and arguments. */
function add(cli: CAC, synopsis: string, summary: string, action: Action): Command {
  return cli.command(synopsis, summary).action(action);
}

function say(io: Io, text: string): number {
  io.out(text.replace(/\n$/, ""));
  return 0;
}

/** For `agent COMMAND --help`: what it does, what it needs, how it ends. */
export const DESCRIPTIONS: { readonly [command: string]: string } = {
  run:
    `Runs one member: its part of the quorum, its PostgreSQL, the REST API. FILE is a YAML (or JSON) of Patroni with a
section raft, or a directory of such files; without one PATRONI_CONFIGURATION is read (docs/configuration.md).
Logs to standard error. SIGHUP reads FILE again; SIGTERM stops PostgreSQL, hands the lock over, and ends.
Exit codes: 0 stopped, 1 it cannot go on (the last line says why), 2 the command line is wrong.`,
  witness:
    `Runs a voter that has no PostgreSQL, for two hosts with data and a small third one. FILE is that of a member
without its section postgresql; raft.data_dir is required (docs/operations.md). Signals as for agent run.`,
  "validate-config":
    `Reads FILE as agent run does, and compares it with this host: programs, directories, certificates, ports.
One line for each problem, file:line:column: error: key: what was expected, and what was found. Changes nothing.
Several FILEs are those of all members of one cluster: what must be equal, must differ, and must fit is compared (a
secret is never shown). This host is not looked at then, and PATRONI_ variables are not used.
Exit codes: 0 no error (warnings are allowed), 1 an error, 2 the command line is wrong.`,
  "generate-config":
    `Asks a running PostgreSQL, and writes the file of the member that is to take it over, with what differs from the
defaults. DSN is a connection string (key=value pairs, or a URI); without one PGHOST, PGPORT, PGUSER and PGPASSWORD
count, and the socket of this host. The role must be a superuser. FILE is made with mode 0600, and never overwritten.
Without FILE the text goes to standard output, without secrets. FIXME marks what only the user knows.
Exit codes: 0 done, 1 it could not be made (why: standard error), 2 the command line is wrong.`,
  "generate-sample-config":
    `Writes a member's file for a new cluster, by the addresses of this host. FILE is made with mode 0600, and never
overwritten; without FILE the text goes to standard output, without secrets. FIXME marks what only the user knows.
Exit codes: 0 done, 1 it could not be made (why: standard error), 2 the command line is wrong.`,
  "install-service":
    `Writes /etc/systemd/system/agent.service (agent-witness.service), which starts this program with FILE, and has systemd
read it. Starts and enables nothing: systemctl enable --now agent. A unit file there that differs stays, and the
difference is shown. Own settings belong into a drop-in (systemctl edit agent), which wins over the unit.
Exit codes: 0 done or to be done, 1 refused (why: standard error), 2 the command line is wrong.`,
  completion:
    `Prints a script that completes commands, options and their values, also for a link named patronictl. SHELL is bash,
zsh or fish. For names of members and clusters it asks the members, and proposes none where nobody answers.
Exit codes: 0 done, 2 the command line is wrong.`,
  man: "Prints a man page, as `man` formats it. PAGE is agent or agent-ctl.",
  version:
    `Prints the version of this program on one line. Those of running members: agent ctl version CLUSTER. A link named
patroni answers --version with that of Patroni whose interfaces these are, since scripts compare it.`,
  replay:
    `Decides anew what a node has recorded in its file log.decisions, and shows where this version decides differently
(docs/operations.md). For those who change a rule, or ask why a decision was made. Reads nothing but the files.
Exit codes: 0 every decision is as recorded, 1 one is not or cannot be read, 2 the command line is wrong.`,
  recover:
    `Founds a new cluster from what this member holds, with this member as its only voter. For when a majority of
the voters is lost for good; where one of them can be brought back, do that instead (docs/operations.md). The
agent must be stopped. Shows what it found, and asks for the scope before it changes anything. PostgreSQL's
data is never touched, and the old log is kept.
Exit codes: 0 done, 1 refused or not confirmed (why: standard error), 2 the command line is wrong.`,
};

function describeServices(cli: CAC, held?: HeldSignals): void {
  const signals = () => held ?? new HeldSignals(process);
  add(cli, "run [file]", "Run one member of a cluster, in the foreground", async (given) => {
    const holding = signals();
    const [{ runCommand }, { selfCommand }] = await Promise.all([
      import("./run.ts"),
      import("../src/lib/self_command.ts"),
    ]);
    const user = given.value("user") ?? undefined;
    runCommand(given.positionals[0] ?? null, {
      user,
      guardCommand: [...selfCommand(), "guard"],
      signals: holding,
    });
    return null;
  })
    .option("--user <name>", "Become this user when started as root")
    .example("agent run /etc/agent.yml")
    .example("agent run --user postgres /etc/agent.yml");
  add(cli, "witness [file]", "Run a voter without PostgreSQL, in the foreground", async (given) => {
    const holding = signals();
    const { witnessCommand } = await import("./witness.ts");
    witnessCommand(given.positionals[0] ?? null, given.value("user") ?? undefined, holding);
    return null;
  })
    .option("--user <name>", "Become this user when started as root")
    .example("agent witness /etc/agent.yml")
    .example("agent validate-config --witness /etc/agent.yml");
}

function describeRecovery(cli: CAC): void {
  add(cli, "recover [file]", "Go on alone when the other members are lost for good", async (given, io) => {
    const { recoverCommand } = await import("./recover.ts");
    return await recoverCommand(given.positionals[0] ?? null, {
      environment: io.environment,
      forceNewCluster: given.flag("force-new-cluster"),
      also: given.values("also"),
      confirm: given.value("confirm"),
      ask: (question) => {
        io.ask(`${question} `);
        return io.readLine();
      },
      write: (line) => io.out(line),
      writeError: (line) => io.err(line),
    });
  })
    .option("--force-new-cluster", "Found a new cluster with this member's data (required)")
    .option(
      "--also <directory>",
      "Show this raft or data directory of another member too (may be repeated)",
      {
        type: [],
      },
    )
    .option("--confirm <scope>", "The cluster's scope: do not ask for it")
    .example("agent recover --force-new-cluster /etc/agent.yml")
    .example(
      "agent recover --force-new-cluster --also /mnt/node2/raft --also /mnt/node2/data /etc/agent.yml",
    );
}

function describeValidation(cli: CAC): void {
  const summary = "Check the configuration of a member, or of all, without starting anything";
  add(cli, "validate-config [...files]", summary, async (given, io) => {
    const ofOne = ["witness", "ignore-listen-port"].find((name) => given.flag(name));
    if (given.positionals.length > 1 && ofOne !== undefined) {
      throw new UsageError(`--${ofOne} goes with one file: with several, no host is looked at`);
    }
    const { validateConfigCommand } = await import("./validate_config.ts");
    return await validateConfigCommand(given.positionals, {
      environment: io.environment,
      ignoreListenPort: given.flag("ignore-listen-port"),
      printConfig: given.flag("print"),
      witness: given.flag("witness"),
      write: (line) => io.out(line),
    });
  })
    .option("-i, --ignore-listen-port", "Accept ports that are in use, as the member may be running")
    .option("-p, --print", "Print the merged configuration, passwords as ***")
    .option("--witness", "The file is that of a witness")
    .example("agent validate-config /etc/agent.yml")
    .example("agent validate-config node1.yml node2.yml node3.yml");
}

function describeGenerators(cli: CAC): void {
  const generate = (sample: boolean): Action => async (given, io) => {
    const { generateConfigCommand } = await import("./generate_config.ts");
    return await generateConfigCommand(given.positionals[0] ?? null, {
      environment: io.environment,
      sample,
      dsn: given.value("dsn"),
      write: (text) => say(io, text),
      writeError: (line) => io.err(line),
    });
  };
  add(cli, "generate-config [file]", "Write a member's file from a running PostgreSQL", generate(false))
    .option("--dsn <dsn>", "Connection string of the running PostgreSQL")
    .example("agent generate-config /etc/agent.yml")
    .example("agent generate-config --dsn 'host=/tmp port=5433 user=postgres' /etc/agent.yml");
  add(cli, "generate-sample-config [file]", "Write a member's file for a new cluster", generate(true))
    .example("agent generate-sample-config /etc/agent.yml");
}

function describeService(cli: CAC): void {
  const summary = "Install the unit of systemd that runs a member or a witness";
  add(cli, "install-service", summary, async (given, io) => {
    const [{ installServiceCommand }, { selfCommand }] = await Promise.all([
      import("./systemd/install_service.ts"),
      import("../src/lib/self_command.ts"),
    ]);
    return installServiceCommand({
      config: given.value("config"),
      user: given.value("user"),
      witness: given.flag("witness"),
      print: given.flag("print"),
      dryRun: given.flag("dry-run"),
      force: given.flag("force"),
      program: selfCommand(),
      write: (line) => io.out(line),
      writeError: (line) => io.err(line),
    });
  })
    .option("-c, --config <file>", "Configuration of the service (default: /etc/agent.yml)")
    .option("--user <name>", "Who runs it (default: postgres; of a witness: agent-witness)")
    .option("--witness", "The service is a witness")
    .option("-p, --print", "Print the unit, and do nothing else")
    .option("--dry-run", "Say what would be done, and do nothing")
    .option("--force", "Replace a unit file that differs, and keep it beside the new one")
    .example("agent install-service --dry-run")
    .example("agent install-service --config /etc/agent.yml --user postgres")
    .example("agent install-service --witness --print");
}

function describeReplay(cli: CAC): void {
  add(cli, "replay <...files>", "Decide anew what a node has recorded, and compare", async (given, io) => {
    const limit = wholeNumber("--limit", given.value("limit") ?? "20", 0, Infinity);
    const { replayCommand } = await import("./replay.ts");
    return await replayCommand(given.positionals, {
      limit,
      write: (line) => io.out(line),
      writeError: (line) => io.err(line),
    });
  })
    .option("--limit <n>", "Differences to show of each file (default: 20)")
    .example("agent replay /var/log/agent/decisions")
    .example("agent replay --limit 100 node1.decisions node2.decisions node3.decisions");
}

function describeDemo(cli: CAC): void {
  const demo = add(cli, "demo", "Try a cluster of three on this machine", async (given) => {
    const { demoCommand } = await import("./demo.ts");
    return await demoCommand(given);
  });
  for (const [option, help] of DEMO_OPTIONS) demo.option(option, help);
  for (const example of DEMO_EXAMPLES) demo.example(example);
}

function describeManual(cli: CAC): void {
  const manual = async () => await (await import("./manual/manual.ts")).readManual(cli, DESCRIPTIONS);
  const oneOf = (what: string, name: string, names: readonly string[]) => {
    if (names.includes(name)) return;
    throw new UsageError(`No ${what} ${shownWord(name)}: one of ${names.join(", ")}`);
  };
  add(cli, "completion <shell>", "Print the completion of these commands for a shell", async (given, io) => {
    const [shell = ""] = given.positionals;
    const { SHELLS } = await import("./manual/completion.ts");
    oneOf("completion for", shell, Object.keys(SHELLS));
    return say(io, SHELLS[shell]!(await manual()));
  })
    .example("source <(agent completion bash)")
    .example('agent completion zsh > "${fpath[1]}/_agent"')
    .example("agent completion fish > ~/.config/fish/completions/agent.fish");
  add(cli, "man [page]", "Print a man page: agent (default) or agent-ctl", async (given, io) => {
    const [page = "agent"] = given.positionals;
    const { MAN_PAGES, manPage } = await import("./manual/man_page.ts");
    oneOf("man page", page, MAN_PAGES);
    return say(io, manPage(await manual(), page));
  })
    .example("agent man | man -l -")
    .example("agent man agent-ctl > /usr/local/share/man/man1/agent-ctl.1");
}

/** Printed by `cac`, but for the demonstration, which has one of its own. */
function help(cli: CAC, command: Command, io: Io): number {
  if (command.name === "demo") return say(io, DEMO_HELP);
  cli.matchedCommand = command;
  cli.outputHelp();
  return 0;
}

function unknownCommand(cli: CAC, name: string, io: Io): number {
  const guess = nearest(name, [...cli.commands.map((command) => command.name), "ctl"]);
  const hint = guess === null ? "" : ` Did you mean '${guess}'?`;
  io.err(`Error: No such command ${shownWord(name)}.${hint}\nTry 'agent --help' for help.`);
  return 2;
}

const OVERVIEW = `Usage: agent COMMAND [ARGS]...

  PostgreSQL high availability in one file: each host runs an agent, the agents agree among themselves who may write.

Commands:
  run FILE              Run one member of a cluster, in the foreground
  witness FILE          Run a voter without PostgreSQL, for two members with data
  ctl COMMAND           Show and change a running cluster (see agent ctl --help)
  validate-config FILE  Check a member's configuration without starting anything
  generate-config FILE  Write a member's file from a running PostgreSQL
  generate-sample-config FILE
                        Write a member's file for a new cluster
  install-service       Install the unit of systemd that runs a member or a witness
  replay FILE           Decide anew what a node has recorded, and compare
  recover FILE          Go on alone when the other members are lost for good
  demo                  Try a cluster of three on this machine
  completion SHELL      Print the completion for bash, zsh or fish
  man [PAGE]            Print a man page: agent or agent-ctl
  version               Print the version

Examples:
  agent demo
  agent validate-config /etc/agent.yml
  agent run /etc/agent.yml
  agent ctl -c /etc/agent.yml list
  agent ctl switchover --candidate node2

agent COMMAND --help and agent help COMMAND explain a command.
`;
