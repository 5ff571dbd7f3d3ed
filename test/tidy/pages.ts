/** Pages of docs/ that are printed from tables of the code, so that they cannot say anything else. */
import { CLUSTER_RULES, HELD } from "../../src/brain/cluster/coordinate.ts";
import { IDLE, RULES } from "../../src/brain/keep/rules.ts";
import { DESCRIPTIONS, programCommands } from "../../cli/commands.ts";
import { MAN_PAGES, manPage } from "../../cli/manual/man_page.ts";
import { readManual } from "../../cli/manual/manual.ts";
import { UNIT_DEFAULTS, unitName, unitText } from "../../cli/systemd/unit.ts";
import { KEY_TABLES } from "./key_tables.ts";

export interface Page {
  /** From the root of the repository. */
  readonly path: string;
  /** `present`: the page as it is, of which some keep what is not in a table. */
  readonly text: (present: string) => string;
}

interface Rule {
  readonly name: string;
  readonly when: string;
  readonly then: string;
}

function table(rules: readonly Rule[], otherwise: string): string {
  const rows = rules.map(({ name, when, then }, index) =>
    `| ${index + 1} | \`${name}\` | ${when} | ${then} |`
  );
  return ["| | rule | when | what it does |", "|---|---|---|---|", ...rows, otherwise].join("\n");
}

function decisions(): string {
  return `# Decisions

<!-- Printed from src/brain by \`npm run pages\`. -->

Whenever something happens, and every \`loop_wait\` at the latest, rules are gone through from the top. The
first one that applies decides, and the others are not asked. \`GET /agent/decisions\` names the rule of each
decision.

## A node, for its PostgreSQL

${table(RULES, `| | \`${IDLE}\` | None of them applies. | Nothing: all is as it should be. |`)}

- Waiting is a decision, too: while \`busy\` decides, nothing below it does.
- In pause the rules from \`pause-holder\` on say so: their reasons begin with \`PAUSE:\`.
- An action that failed is begun again only after a pause, which grows from 2 s to 60 s. Until then its rule
  decides to do nothing, and says what failed. Stopping PostgreSQL, and a restart that was asked for, are not
  held back.

## The raft leader, for the cluster

${table(CLUSTER_RULES, `| | \`${HELD}\` | None of them applies. | Nothing: somebody holds the lock. |`)}
`;
}

const SLOT = /(<!-- keys: (\w+) -->\n)[^]*?(<!-- end -->)/g;

/** Each table between its two marks. */
function configuration(present: string): string {
  const found = [...present.matchAll(SLOT)].map((match) => match[2]);
  const missing = Object.keys(KEY_TABLES).filter((name) => !found.includes(name));
  if (missing.length > 0) throw new Error(`docs/configuration.md has no mark for ${missing.join(", ")}`);
  return present.replace(SLOT, (_, begin: string, name: string, end: string) => {
    const table = KEY_TABLES[name];
    if (table === undefined) throw new Error(`docs/configuration.md: no table is called ${name}`);
    return `${begin}\n${table()}\n\n${end}`;
  });
}

const manual = await readManual(programCommands(), DESCRIPTIONS);

export const PAGES: readonly Page[] = [
  { path: "docs/decisions.md", text: decisions },
  { path: "docs/configuration.md", text: configuration },
  ...Object.values(UNIT_DEFAULTS).map((unit) => ({
    path: `docs/systemd/${unitName(unit.witness)}`,
    text: () => unitText(unit),
  })),
  ...MAN_PAGES.map((name) => ({ path: `docs/man/${name}.1`, text: () => manPage(manual, name) })),
];
