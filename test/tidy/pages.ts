/** Pages of docs/ that are printed from tables of the code, so that they cannot say anything else. */
import { RULES } from "../../src/brain/keep/rules.ts";

export interface Page {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: () => string;
}

function decisions(): string {
  const rows = RULES.map(({ name, when, then }, index) =>
    `| ${index + 1} | \`${name}\` | ${when} | ${then} |`
  );
  return `# What a node decides for its PostgreSQL

<!-- Printed from src/brain/keep by \`npm run pages\`. -->

Each time something happens, and every \`loop_wait\` at the latest, a node goes through these rules from the top. The first one
that applies decides, and the others are not asked. Rules that wait are rules, too: while \`busy\` decides, nothing below it does.
\`GET /agent/decisions\` and the log name the rule of each decision.

| | rule | when | what it does |
|---|---|---|---|
${rows.join("\n")}
| | \`idle\` | None of them applies. | Nothing: all is as it should be. |

- In pause the rules from \`pause-holder\` on say so: their reasons begin with \`PAUSE:\`.
- An action that failed is begun again only after a pause, which grows from 2 s to 60 s. Until then its rule decides to do nothing, and
  says what failed. Stopping PostgreSQL, and a restart that was asked for, are not held back.
`;
}

export const PAGES: readonly Page[] = [{ path: "docs/decisions.md", text: decisions }];
