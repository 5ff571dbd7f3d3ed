/** `agent ctl query`: SQL on a member, without looking up first where it is. */
import { type Arguments, type Command, type Context, FORMAT, ROLE, WATCH } from "./command.ts";
import { shownText } from "../../src/model/plain_text.ts";
import { memberToConnect } from "./dsn.ts";
import { CtlError } from "./errors.ts";
import type { Io } from "./io.ts";
import { readFileOfOption } from "./local_file.ts";
import { onlyClusterName } from "./members.ts";
import { type Format, printListing, tsvCell } from "./output.ts";
import { jsonValue } from "./query_value.ts";
import { table } from "./table.ts";
import { timestamp } from "./time.ts";
import { watching } from "./watch.ts";

export const query: Command = {
  usage: "[CLUSTER_NAME]",
  description:
    "Runs SQL on the leader, or on a member of that name or role. User, password and database are taken from\n" +
    "the options, else from PGUSER, PGPASSWORD, PGDATABASE as psql takes them. An error is shown as a row, its text\n" +
    "on standard error, and the exit code is 1. Values are shown as PostgreSQL writes them, NULL as None. In tsv a\n" +
    "record is one line: a line break in a value is written \\n, a tab \\t. In json and yaml numbers, booleans and\n" +
    "json are such values.",
  options: [
    { names: ["command"], short: "c", value: "SQL", help: "The SQL commands to execute" },
    {
      names: ["file"],
      short: "f",
      value: "FILE",
      help: "Execute the SQL commands from this file (- is standard input)",
    },
    { ...FORMAT, short: undefined, help: "Output format (pretty, tsv, json, yaml); tsv if not given" },
    { names: ["username"], short: "U", value: "NAME", help: "database user name" },
    { names: ["password"], help: "force password prompt" },
    { names: ["dbname"], short: "d", value: "NAME", help: "database name to connect to" },
    { names: ["delimiter"], value: "TEXT", help: "The column delimiter of tsv" },
    ROLE,
    { names: ["member"], short: "m", value: "MEMBER", help: "Query a specific member" },
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
  const sql = await statements(context);
  let password: string | null = null;
  if (given.flag("password")) {
    io.ask("Password: ");
    password = await io.readSecret();
    if (password === null) throw new CtlError("Aborted: no password was typed");
  }
  const name = onlyClusterName(context);
  let failed = false;
  const code = await watching(context, async ({ io: shown }) => {
    const member = memberToConnect(await context.cluster.look(name), given);
    const result = member === null ? nobody(given) : await execute({
      host: member.host,
      port: member.port,
      user: given.value("username") ?? undefined,
      password: password ?? undefined,
      database: given.value("dbname") ?? io.environment.PGDATABASE ?? "postgres",
    }, sql);
    print(shown, given, result);
    // The row has the code alone, for programs that read patronictl's.
    if (result.error !== null) shown.err(`Error: ${shownText(result.error)}`);
    failed = result.columns === null;
  });
  return failed ? 1 : code;
}

async function statements({ io, arguments: given }: Context): Promise<string> {
  const [command, file] = [given.value("command"), given.value("file")];
  // patronictl opens the file before it looks at anything else.
  const text = file === null || file === "-" ? null : readFileOfOption("'--file' / '-f'", file);
  if (command !== null && file !== null) {
    throw new CtlError("--file and --command are mutually exclusive options");
  }
  const sql = command ?? text;
  if (sql !== null) return sql;
  if (file === null) throw new CtlError("You need to specify either --command or --file");
  return await io.readAll();
}

/** Nobody to ask is a row, too: a watch goes on until there is somebody. */
function nobody(given: Arguments): Result {
  const [member, role] = [given.value("member"), given.value("role")];
  const to = member !== null ? ` to member ${member}` : role !== null ? ` to role ${role}` : "";
  return { columns: null, rows: [[timestamp(0), `No connection${to} is available`]], error: null };
}

interface Result {
  /** null: the only row says what went wrong. Empty: the last statement has no result. */
  readonly columns: readonly { readonly name: string; readonly type: number }[] | null;
  /** As the server wrote them; null: NULL. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** What the server says is wrong; null: nothing, or the row says it. */
  readonly error: string | null;
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string;
}

/** The conversions of `pg` lose part of the server's text, or shift it by a time zone. */
const AS_WRITTEN = { getTypeParser: () => (text: string) => text };

/** An error of the server is a row, as patronictl shows it, so that a watch goes on. */
async function execute(target: Target, sql: string): Promise<Result> {
  const { Client } = (await import("pg")).default;
  const client = new Client({ ...target, connectionTimeoutMillis: 5000, application_name: "agent ctl" });
  // A connection that breaks rejects what waits for it; without a listener it would end the program, too.
  client.on("error", () => {});
  try {
    await client.connect();
    const results = await client.query({ text: sql, rowMode: "array", types: AS_WRITTEN });
    const last = [results].flat().at(-1)!;
    return {
      columns: last.fields.map(({ name, dataTypeID }) => ({ name, type: dataTypeID })),
      rows: last.rows as (string | null)[][],
      error: null,
    };
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    const needsPassword = code === undefined && target.password === undefined && message.startsWith("SASL");
    const text = needsPassword
      ? "a password is needed (--password or PGPASSWORD)"
      : (code ?? message).replaceAll("\n", " ");
    const rows = [[timestamp(0), `ERROR, SQLSTATE: ${text}`]];
    return { columns: null, rows, error: code === undefined ? null : message };
  } finally {
    await client.end();
  }
}

function print(io: Io, given: Arguments, { columns, rows }: Result): void {
  const format = (given.value("format") ?? "tsv") as Format;
  if (columns?.length === 0 && ["tsv", "pretty"].includes(format)) return;
  if (format === "tsv" || columns === null) {
    const delimiter = given.value("delimiter") ?? "\t";
    const names = columns === null ? [] : [columns.map(({ name }) => name)];
    for (const line of [...names, ...rows]) {
      io.out(line.map((value) => tsvCell(value ?? NULL)).join(delimiter));
    }
    return;
  }
  if (format === "pretty") {
    const titles = columns.map(({ name }) => ({ title: shownText(name), align: "left" }) as const);
    return io.out(table("", titles, rows.map((row) => row.map((value) => shownText(value ?? NULL)))));
  }
  const records = rows.map((row) =>
    Object.fromEntries(columns.map(({ name, type }, index) => [name, jsonValue(type, row[index] ?? null)]))
  );
  printListing(io, { columns: columns.map(({ name }) => name), rows: records, right: [] }, format, "");
}

/** As patronictl writes it. */
const NULL = "None";
