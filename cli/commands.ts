/** The commands that people and service managers start, and the overview of all. */
import { type CAC, cac } from "cac";
import { HeldSignals } from "../src/lib/held_signals.ts";
import { VERSION } from "../src/model/version.ts";
import { nearest } from "./ctl/nearest.ts";
import { DEMO_EXAMPLES, DEMO_OPTIONS } from "./demo_options.ts";

/**
 * Ends the process itself, but for `run` and `witness`, which go on. `signals`: held since the process began,
 * for these two.
 */
export async function runCommandLine(argv: readonly string[], signals?: HeldSignals): Promise<void> {
  if (argv[0] === "demo") return await demo(argv.slice(1));
  const cli = programCommands(signals);
  if (argv.length === 0 || argv[0] === "--help" || argv[0] === "-h" || argv[0] === "help") return overview();
  if (argv[0] === "--version" || argv[0] === "-v") return leave(0, `agent ${VERSION}\n`);
  try {
    cli.parse(["agent", "agent", ...flagsLast(argv)], { run: false });
    // After the help is printed, the parser no longer knows the command.
    if (cli.options.help) return leave(0);
    if (cli.matchedCommand === undefined) return unknownCommand(cli, argv[0]!);
    const misread = misreadOption(cli, argv);
    if (misread !== null) return leave(2, "", `Error: ${misread}\nTry 'agent ${argv[0]} --help' for help.\n`);
    await cli.runMatchedCommand();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "CACError") throw error;
    leave(2, "", `Error: ${error.message}\nTry 'agent ${argv[0]} --help' for help.\n`);
  }
}

/** The commands with all that is said of them but for `ctl`, which has tables of its own. */
export function programCommands(signals?: HeldSignals): CAC {
  const cli = describeCommands(signals);
  describeGenerators(cli);
  describeService(cli);
  describeReplay(cli);
  describeDemo(cli);
  describeManual(cli);
  describeVersion(cli);
  return cli;
}

/**
 * Flags with a hyphen in their name. The parser takes the word behind one for its value; behind the last
 * there is none.
 */
const FLAGS = ["--ignore-listen-port", "--force-new-cluster", "--dry-run"];

function flagsLast(argv: readonly string[]): string[] {
  const isFlag = (word: string) => FLAGS.includes(word);
  return [...argv.filter((word) => !isFlag(word)), ...argv.filter(isFlag)];
}

/** May be given more than once. */
const REPEATED = ["also"];

/**
 * What the parser makes of a word that nobody meant: a flag with a value (`--dry-run=true` is a text, not
 * true), a value given twice, a name with a point, a number that is not what was written (`007`). Null: none.
 */
function misreadOption({ options, matchedCommand }: CAC, argv: readonly string[]): string | null {
  for (const { name, rawName, isBoolean } of matchedCommand!.options) {
    const given: unknown = options[name];
    if (given === undefined) continue;
    if (isBoolean) {
      if (typeof given === "boolean") continue;
      return `option \`${rawName}\` is given once, and takes no value`;
    }
    if (Array.isArray(given) && !REPEATED.includes(name)) {
      return `option \`${rawName}\` is given more than once`;
    }
    for (const value of Array.isArray(given) ? given : [given]) {
      // The parser itself refuses one without a value.
      if (value === true || typeof value === "string") continue;
      const isWritten = (word: string) => word === String(value) || word.endsWith(`=${value}`);
      if (typeof value !== "number" || !argv.some(isWritten)) {
        return `option \`${rawName}\` is not understood: its value is expected as the next word`;
      }
    }
  }
  return null;
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
    "Prints the version of this program on one line. Those of running members: agent ctl version CLUSTER.",
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

function describeCommands(held?: HeldSignals): CAC {
  const cli = cac("agent");
  cli.help((sections) => {
    const name = cli.matchedCommand?.name ?? "";
    const about = Object.hasOwn(DESCRIPTIONS, name) ? DESCRIPTIONS[name]! : null;
    return about === null ? sections : sections.toSpliced(2, 0, { body: about.replace(/^/gm, "  ") });
  });
  cli.command("run [file]", "Run one member of a cluster, in the foreground")
    .option("--user <name>", "Become this user when started as root")
    .example("agent run /etc/agent/node1.yml")
    .example("agent run --user postgres /etc/agent/node1.yml")
    .action(async (file: string | undefined, { user }: { user?: string }) => {
      const signals = held ?? new HeldSignals(process);
      const [{ runCommand }, { selfCommand }] = await Promise.all([
        import("./run.ts"),
        import("../src/lib/self_command.ts"),
      ]);
      const named = user === undefined ? undefined : String(user);
      runCommand(file ?? null, { user: named, guardCommand: [...selfCommand(), "guard"], signals });
    });
  cli.command("witness [file]", "Run a voter without PostgreSQL, in the foreground")
    .option("--user <name>", "Become this user when started as root")
    .example("agent witness /etc/agent/witness.yml")
    .example("agent validate-config --witness /etc/agent/witness.yml")
    .action(async (file: string | undefined, { user }: { user?: string }) => {
      const signals = held ?? new HeldSignals(process);
      const { witnessCommand } = await import("./witness.ts");
      witnessCommand(file ?? null, user === undefined ? undefined : String(user), signals);
    });
  describeValidation(cli);
  cli.command("recover [file]", "Go on alone when the other members are lost for good")
    .option("--force-new-cluster", "Found a new cluster with this member's data (required)")
    .option("--also <directory>", "Show this raft or data directory of another member too (may be repeated)")
    .option("--confirm <scope>", "The cluster's scope: do not ask for it")
    .example("agent recover --force-new-cluster /etc/agent/node1.yml")
    .example(
      "agent recover --force-new-cluster --also /mnt/node2/raft --also /mnt/node2/data /etc/agent/node1.yml",
    )
    .action(async (file: string | undefined, options: { [name: string]: unknown }) => {
      const { recoverCommand } = await import("./recover.ts");
      const { confirm, also } = options;
      const code = await recoverCommand(file ?? null, {
        environment: process.env,
        forceNewCluster: options.forceNewCluster === true,
        also: (Array.isArray(also) ? also : also === undefined ? [] : [also]).map(String),
        confirm: confirm === undefined ? null : String(confirm),
        ask: (question) => Promise.resolve(prompt(question)),
        write: (line) => process.stdout.write(`${line}\n`),
        writeError: (line) => process.stderr.write(`${line}\n`),
      });
      leave(code);
    });
  return cli;
}

function describeValidation(cli: CAC): void {
  cli.command(
    "validate-config [...files]",
    "Check the configuration of a member, or of all, without starting anything",
  )
    .option("-i, --ignore-listen-port", "Accept ports that are in use, as the member may be running")
    .option("-p, --print", "Print the merged configuration, passwords as ***")
    .option("--witness", "The file is that of a witness")
    .example("agent validate-config /etc/agent/node1.yml")
    .example("agent validate-config node1.yml node2.yml node3.yml")
    .action(async (files: string[], options: { [name: string]: unknown }) => {
      const ofOne = ["witness", "ignoreListenPort"].find((name) => options[name] === true);
      if (files.length > 1 && ofOne !== undefined) {
        const flag = ofOne === "witness" ? "--witness" : "--ignore-listen-port";
        return leave(2, "", `Error: ${flag} goes with one file: with several, no host is looked at\n`);
      }
      const { validateConfigCommand } = await import("./validate_config.ts");
      const code = await validateConfigCommand(files.map(String), {
        environment: process.env,
        ignoreListenPort: options.ignoreListenPort === true,
        printConfig: options.print === true,
        witness: options.witness === true,
        write: (line) => process.stdout.write(`${line}\n`),
      });
      leave(code);
    });
}

function describeGenerators(cli: CAC): void {
  const generate = async (file: string | undefined, sample: boolean, dsn: unknown) => {
    const { generateConfigCommand } = await import("./generate_config.ts");
    const code = await generateConfigCommand(file ?? null, {
      environment: process.env,
      sample,
      dsn: dsn === undefined ? null : String(dsn),
      write: (text) => process.stdout.write(text),
      writeError: (line) => process.stderr.write(`${line}\n`),
    });
    leave(code);
  };
  cli.command("generate-config [file]", "Write a member's file from a running PostgreSQL")
    .option("--dsn <dsn>", "Connection string of the running PostgreSQL")
    .example("agent generate-config /etc/agent/node1.yml")
    .example("agent generate-config --dsn 'host=/tmp port=5433 user=postgres' /etc/agent/node1.yml")
    .action((file: string | undefined, { dsn }: { dsn?: unknown }) => generate(file, false, dsn));
  cli.command("generate-sample-config [file]", "Write a member's file for a new cluster")
    .example("agent generate-sample-config /etc/agent/node1.yml")
    .action((file: string | undefined) => generate(file, true, undefined));
}

function describeService(cli: CAC): void {
  const text = (value: unknown) => value === undefined ? null : String(value);
  cli.command("install-service", "Install the unit of systemd that runs a member or a witness")
    .option("-c, --config <file>", "Configuration of the service (default: /etc/agent.yml)")
    .option("--user <name>", "Who runs it (default: postgres; of a witness: agent-witness)")
    .option("--witness", "The service is a witness")
    .option("-p, --print", "Print the unit, and do nothing else")
    .option("--dry-run", "Say what would be done, and do nothing")
    .option("--force", "Replace a unit file that differs, and keep it beside the new one")
    .example("agent install-service --dry-run")
    .example("agent install-service --config /etc/agent/node1.yml --user postgres")
    .example("agent install-service --witness --print")
    .action(async (options: { [name: string]: unknown }) => {
      const [{ installServiceCommand }, { selfCommand }] = await Promise.all([
        import("./systemd/install_service.ts"),
        import("../src/lib/self_command.ts"),
      ]);
      const code = installServiceCommand({
        config: text(options.config),
        user: text(options.user),
        witness: options.witness === true,
        print: options.print === true,
        dryRun: options.dryRun === true,
        force: options.force === true,
        program: selfCommand(),
        write: (line) => process.stdout.write(`${line}\n`),
        writeError: (line) => process.stderr.write(`${line}\n`),
      });
      leave(code);
    });
}

function describeReplay(cli: CAC): void {
  cli.command("replay <...files>", "Decide anew what a node has recorded, and compare")
    .option("--limit <n>", "Differences to show of each file (default: 20)")
    .example("agent replay /var/log/agent/decisions")
    .example("agent replay --limit 100 node1.decisions node2.decisions node3.decisions")
    .action(async (files: string[], { limit = 20 }: { limit?: unknown }) => {
      if (!Number.isSafeInteger(limit) || Number(limit) < 0) {
        return leave(2, "", `Error: --limit: a whole number from 0, not ${String(limit)}\n`);
      }
      const { replayCommand } = await import("./replay.ts");
      leave(
        await replayCommand(files, {
          limit: Number(limit),
          write: (line) => process.stdout.write(`${line}\n`),
          writeError: (line) => process.stderr.write(`${line}\n`),
        }),
      );
    });
}

/** Its words are read by itself: see `demo`. */
function describeDemo(cli: CAC): void {
  const demo = cli.command("demo", "Try a cluster of three on this machine");
  for (const [option, help] of DEMO_OPTIONS) demo.option(option, help);
  for (const example of DEMO_EXAMPLES) demo.example(example);
}

function describeVersion(cli: CAC): void {
  cli.command("version", "Print the version")
    .example("agent version")
    .action(() => leave(0, `agent ${VERSION}\n`));
}

function describeManual(cli: CAC): void {
  const manual = async () => await (await import("./manual/manual.ts")).readManual(cli, DESCRIPTIONS);
  cli.command("completion <shell>", "Print the completion of these commands for a shell")
    .example("source <(agent completion bash)")
    .example('agent completion zsh > "${fpath[1]}/_agent"')
    .example("agent completion fish > ~/.config/fish/completions/agent.fish")
    .action(async (shell: string) => {
      const { SHELLS } = await import("./manual/completion.ts");
      const names = Object.keys(SHELLS);
      if (!names.includes(shell)) {
        return leave(2, "", `Error: no completion for '${shell}': one of ${names.join(", ")}\n`);
      }
      leave(0, SHELLS[shell]!(await manual()));
    });
  cli.command("man [page]", "Print a man page: agent (default) or agent-ctl")
    .example("agent man | man -l -")
    .example("agent man agent-ctl > /usr/local/share/man/man1/agent-ctl.1")
    .action(async (page = "agent") => {
      const { MAN_PAGES, manPage } = await import("./manual/man_page.ts");
      if (!MAN_PAGES.includes(page)) {
        return leave(2, "", `Error: no man page '${page}': one of ${MAN_PAGES.join(", ")}\n`);
      }
      leave(0, manPage(await manual(), page));
    });
}

/** Reads its own words, as it passes some on to processes that it starts. */
async function demo(words: readonly string[]): Promise<void> {
  const { demoCommand } = await import("./demo.ts");
  leave(await demoCommand(words));
}

function overview(): void {
  leave(
    0,
    `Usage: agent COMMAND [ARGS]...

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
  agent validate-config /etc/agent/node1.yml
  agent run /etc/agent/node1.yml
  agent ctl -c /etc/agent/node1.yml list
  agent ctl switchover --candidate node2

agent COMMAND --help explains a command.
`,
  );
}

function unknownCommand(cli: CAC, name: string): void {
  const names = [...cli.commands.map((command) => command.name), "ctl"];
  const guess = nearest(name, names);
  const hint = guess === null ? "" : ` Did you mean '${guess}'?`;
  leave(2, "", `Error: No such command '${name}'.${hint}\nTry 'agent --help' for help.\n`);
}

function leave(code: number, out = "", err = ""): void {
  process.stderr.write(err);
  process.stdout.write(out, () => process.exit(code));
}
