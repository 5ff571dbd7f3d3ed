/** The commands that people and service managers start, and the overview of all. */
import { type CAC, cac } from "cac";
import { VERSION } from "../src/model/version.ts";
import { nearest } from "./ctl/nearest.ts";

/** Ends the process itself, but for `run` and `witness`, which go on. */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  if (argv[0] === "demo") return await demo(argv.slice(1));
  const cli = describeCommands();
  if (argv.length === 0 || argv[0] === "--help" || argv[0] === "-h" || argv[0] === "help") return overview();
  if (argv[0] === "--version" || argv[0] === "-v") return leave(0, `agent ${VERSION}\n`);
  try {
    cli.parse(["agent", "agent", ...flagsLast(argv)], { run: false });
    // Printing the help has made it forget the command.
    if (cli.options.help) return leave(0);
    if (cli.matchedCommand === undefined) return unknownCommand(cli, argv[0]!);
    await cli.runMatchedCommand();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "CACError") throw error;
    leave(2, "", `Error: ${error.message}\nTry 'agent ${argv[0]} --help' for help.\n`);
  }
}

/**
 * Flags with a hyphen in their name. The parser takes the word behind one for its value; behind the last
 * there is none.
 */
const FLAGS = ["--ignore-listen-port", "--force-new-cluster"];

function flagsLast(argv: readonly string[]): string[] {
  const isFlag = (word: string) => FLAGS.includes(word);
  return [...argv.filter((word) => !isFlag(word)), ...argv.filter(isFlag)];
}

/** For `agent COMMAND --help`: what it does, what it needs, how it ends. */
const DESCRIPTIONS: { readonly [command: string]: string } = {
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
One line for each problem, file:line: error: key: what was expected, and what was found. Changes nothing.
Exit codes: 0 no error (warnings are allowed), 1 an error, 2 the command line is wrong.`,
  version:
    "Prints the version of this program on one line. Those of running members: agent ctl version CLUSTER.",
  recover:
    `Founds a new cluster from what this member holds, with this member as its only voter. For when a majority of
the voters is lost for good; where one of them can be brought back, do that instead (docs/operations.md). The
agent must be stopped. Shows what it found, and asks for the scope before it changes anything. PostgreSQL's
data is never touched, and the old log is kept.
Exit codes: 0 done, 1 refused or not confirmed (why: standard error), 2 the command line is wrong.`,
};

function describeCommands(): CAC {
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
      const [{ runCommand }, { selfCommand }] = await Promise.all([
        import("./run.ts"),
        import("../src/lib/self_command.ts"),
      ]);
      const named = user === undefined ? undefined : String(user);
      runCommand(file ?? null, { user: named, guardCommand: [...selfCommand(), "guard"] });
    });
  cli.command("witness [file]", "Run a voter without PostgreSQL, in the foreground")
    .option("--user <name>", "Become this user when started as root")
    .example("agent witness /etc/agent/witness.yml")
    .example("agent validate-config --witness /etc/agent/witness.yml")
    .action(async (file: string | undefined, { user }: { user?: string }) => {
      const { witnessCommand } = await import("./witness.ts");
      witnessCommand(file ?? null, user === undefined ? undefined : String(user));
    });
  cli.command("validate-config [file]", "Check a member's configuration without starting anything")
    .option("-i, --ignore-listen-port", "Accept ports that are in use, as the member may be running")
    .option("-p, --print", "Print the merged configuration, passwords as ***")
    .option("--witness", "The file is that of a witness")
    .example("agent validate-config /etc/agent/node1.yml")
    .action(async (file: string | undefined, options: { [name: string]: unknown }) => {
      const { validateConfigCommand } = await import("./validate_config.ts");
      const code = await validateConfigCommand(file ?? null, {
        environment: process.env,
        ignoreListenPort: options.ignoreListenPort === true,
        printConfig: options.print === true,
        witness: options.witness === true,
        write: (line) => process.stdout.write(`${line}\n`),
      });
      leave(code);
    });
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
  cli.command("demo [...options]", "Try a cluster of three on this machine");
  cli.command("version", "Print the version")
    .example("agent version")
    .action(() => leave(0, `agent ${VERSION}\n`));
  return cli;
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
  recover FILE          Go on alone when the other members are lost for good
  demo                  Try a cluster of three on this machine
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
