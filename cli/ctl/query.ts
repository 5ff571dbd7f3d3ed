/** `agent ctl query`: SQL on a member, without looking up first where it is. */
import { type Command, type Context, FORMAT, ROLE, WATCH } from "./command.ts";
import { memberToConnect } from "./dsn.ts";
import { textOf } from "../../src/model/text_of.ts";
import { CtlError } from "./errors.ts";
import { readLocalFile } from "./local_file.ts";
import { onlyClusterName } from "./members.ts";
import { type Cell, type Format, printListing } from "./output.ts";
import { timestamp } from "./time.ts";
import { watching } from "./watch.ts";

export const query: Command = {
  usage: "[CLUSTER_NAME]",
  description:
    "Runs SQL on the leader, or on a member of that name or role. User, password and database are taken from\n" +
    "the options, else from PGUSER, PGPASSWORD, PGDATABASE as psql takes them. An error is shown as a row, and the\n" +
    "exit code is 1.",
  options: [
    { names: ["command"], short: "c", value: "SQL", help: "The SQL commands to execute" },
    { names: ["file"], short: "f", value: "FILE", help: "Execute the SQL commands from this file" },
    { ...FORMAT, short: undefined, help: "Output format (pretty, tsv, json, yaml); tsv if not given" },
    { names: ["username"], short: "U", value: "NAME", help: "database user name" },
    { names: ["password"], help: "force password prompt" },
    { names: ["dbname"], short: "d", value: "NAME", help: "database name to connect to" },
    { names: ["delimiter"], value: "TEXT", help: "The column delimiter of tsv" },
    ROLE,
    { names: ["member"], short: "m", value: "NAME", help: "Query a specific member" },
    ...WATCH,
  ],
  examples: [
    "agent ctl query -U postgres --password -c 'select pg_is_in_recovery()' -r replica",
    "agent ctl query -U postgres -f report.sql --format pretty",
  ],
  run,
};

async function run(context: Context): Promise<number> {
  const { io, arguments: given } = context;
  const sql = statements(context);
  let password: string | null = null;
  if (given.flag("password")) {
    io.ask("Password: ");
    password = await io.readSecret();
  }
  const name = onlyClusterName(context);
  let failed = false;
  const code = await watching(context, async () => {
    const member = memberToConnect(await context.cluster.look(name), given);
    const result = await execute({
      host: member.host,
      port: member.port,
      user: given.value("username") ?? undefined,
      password: password ?? undefined,
      database: given.value("dbname") ?? io.environment.PGDATABASE ?? "postgres",
    }, sql);
    print(context, result);
    failed = result.columns === null;
  });
  return failed ? 1 : code;
}

function statements({ arguments: given }: Context): string {
  const [command, file] = [given.value("command"), given.value("file")];
  if (command !== null && file !== null) {
    throw new CtlError("--file and --command are mutually exclusive options");
  }
  if (command !== null) return command;
  if (file === null) throw new CtlError("You need to specify either --command or --file");
  return readLocalFile(file);
}

interface Result {
  /** null: the only row says what went wrong. */
  readonly columns: readonly string[] | null;
  readonly rows: readonly (readonly Cell[])[];
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string;
}

/** An error of the server is a row, as patronictl shows it, so that a watch goes on. */
async function execute(target: Target, sql: string): Promise<Result> {
  const { Client, types } = (await import("pg")).default;
  const client = new Client({ ...target, connectionTimeoutMillis: 5000, application_name: "agent ctl" });
  const readers = ((type: number) => readerOf(type, types.getTypeParser)) as typeof types.getTypeParser;
  try {
    await client.connect();
    const results = await client.query({ text: sql, rowMode: "array", types: { getTypeParser: readers } });
    const last = [results].flat().at(-1)!;
    return { columns: last.fields.map(({ name }) => name), rows: last.rows.map((row) => row.map(cell)) };
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    const needsPassword = code === undefined && target.password === undefined && message.startsWith("SASL");
    const text = needsPassword
      ? "a password is needed (--password or PGPASSWORD)"
      : (code ?? message).replaceAll("\n", " ");
    return { columns: null, rows: [[timestamp(0), `ERROR, SQLSTATE: ${text}`]] };
  } finally {
    await client.end();
  }
}

/**
 * Times, intervals, bytes and geometric types, and arrays of them: the conversion of `pg` loses part of the
 * server's text.
 */
const AS_WRITTEN: ReadonlySet<number> = new Set(
  [17, 600, 718, 1001, 1017, 1082, 1083, 1114, 1115, 1182, 1184, 1185, 1186, 1187, 1266],
);

/** How values of a type are read. `usual` is used for every type that loses nothing by it. */
export function readerOf<Reader>(
  type: number,
  usual: (type: number) => Reader,
): Reader | ((text: string) => string) {
  return AS_WRITTEN.has(type) ? (text) => text : usual(type);
}

function cell(value: unknown): Cell {
  if (value === null || value === undefined) return "None";
  return typeof value === "number" || typeof value === "boolean" || typeof value === "object"
    ? value
    : String(value);
}

function print({ io, arguments: given }: Context, { columns, rows }: Result): void {
  const format = (given.value("format") ?? "tsv") as Format;
  const delimiter = given.value("delimiter") ?? "\t";
  if (format === "tsv" || columns === null) {
    for (const line of [...(columns === null ? [] : [columns]), ...rows]) {
      io.out(line.map(textOf).join(delimiter));
    }
    return;
  }
  const records = rows.map((row) =>
    Object.fromEntries(columns.map((name, index) => [name, row[index] ?? ""]))
  );
  printListing(io, { columns, rows: records, right: [] }, format, "");
}
