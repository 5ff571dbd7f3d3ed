/** Man pages: agent(1) for the commands of the program, agent-ctl(1) for those of a running cluster. */
import { VERSION } from "../../src/model/version.ts";
import type { ManualCommand, ManualOption } from "./manual.ts";

export const MAN_PAGES: readonly string[] = ["agent", "agent-ctl"];

export function manPage(manual: ManualCommand, page: string): string {
  const ctl = manual.commands.find(({ name }) => name === "ctl")!;
  const isCtl = page === "agent-ctl";
  const subject = isCtl ? ctl : manual;
  const words = isCtl ? "agent ctl" : "agent";
  const commands = isCtl ? ctl.commands : manual.commands.filter(({ name }) => name !== "ctl");
  return [
    `.\\" Printed from the tables of the commands by \`npm run pages\`.`,
    `.TH ${page.toUpperCase()} 1 "" "agent ${VERSION}" "PostgreSQL high availability"`,
    ".SH NAME",
    `${text(page)} \\- ${text(subject.summary)}`,
    ".SH SYNOPSIS",
    ...commands.map(({ name, usage }) =>
      [`.B ${text(`${words} ${name}`)}`, ...(usage === "" ? [] : [text(usage)]), ".br"].join("\n")
    ),
    ...(isCtl ? [] : [".B agent ctl\n" + text(ctl.usage)]),
    ".SH DESCRIPTION",
    paragraph(subject.description),
    ...(isCtl ? [".SH OPTIONS OF EVERY COMMAND", ...ctl.options.map(optionText)] : []),
    ".SH COMMANDS",
    ...commands.flatMap((command) => commandText(words, command, subject.options)),
    ".SH EXIT STATUS",
    "0 done, 1 it failed, 2 the command line is wrong.",
    ...(isCtl ? CTL_ENVIRONMENT : ENVIRONMENT),
    ".SH SEE ALSO",
    isCtl ? ".BR agent (1)" : ".BR agent-ctl (1)",
    "",
  ].join("\n");
}

const ENVIRONMENT = [
  ".SH ENVIRONMENT",
  "Variables PATRONI_* take the place of keys of the file, or of the whole file (PATRONI_CONFIGURATION).",
];

const CTL_ENVIRONMENT = [
  ".SH ENVIRONMENT",
  ...[
    ["PATRONICTL_CONFIG_FILE", "The file, where \\-c does not name one."],
    ["DCS_URL", "The addresses to ask first, where \\-d does not name one."],
    [
      "LOGLEVEL, PATRONI_LOGLEVEL, PATRONI_LOG_LEVEL",
      "DEBUG tells every request, INFO those that fail. Default: WARNING.",
    ],
    ["NO_COLOR", "Turns colours off."],
    ["EDITOR, PAGER", "For edit\\-config."],
    ["PGUSER, PGPASSWORD, PGDATABASE", "For query."],
  ].map(([name, about]) => `.TP\n.B ${name}\n${about}`),
  ".SH FILES",
  ".TP\n.I ~/.config/patroni/patronictl.yaml\nThe file, where nothing else names one.",
];

function commandText(
  words: string,
  { name, usage, summary, description, options, examples }: ManualCommand,
  shared: readonly ManualOption[],
): string[] {
  const isShared = ({ help }: ManualOption) => shared.some((option) => option.help === help);
  return [
    `.SS ${text(`${words} ${name} ${usage}`.trim())}`,
    text(`${summary}.`),
    ...(description === "" ? [] : [".PP", paragraph(description)]),
    ...options.filter((option) => !isShared(option)).map(optionText),
    ...(examples.length === 0
      ? []
      : [".PP", "Examples:", ".PP", ".nf", ...examples.map((each) => `    ${text(each)}`), ".fi"]),
  ];
}

function optionText({ names, value, help }: ManualOption): string {
  const spelled = names.map((name) => `\\fB${text(name)}\\fR`).join(", ");
  return `.TP\n${spelled}${value === null ? "" : ` \\fI${text(value)}\\fR`}\n${paragraph(help)}`;
}

function paragraph(of: string): string {
  return of.split("\n").map((line) => `${line.startsWith("Exit codes: ") ? ".PP\n" : ""}${text(line)}`).join(
    "\n",
  );
}

/** A line that begins with a dot or a quote would be a request. */
function text(of: string): string {
  return of.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^(\s*)([.'])/, "$1\\&$2");
}
