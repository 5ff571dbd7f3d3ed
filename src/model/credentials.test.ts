import { expect, test } from "bun:test";
import { withoutCredentials } from "./credentials.ts";
import { reloadRefused } from "./reload_refused.ts";

const CASES: readonly (readonly [text: string, told: string])[] = [
  ["no connection to postgres://admin:hidden@db:5432/x", "no connection to postgres://admin:***@db:5432/x"],
  ["s3+https://key:hid/den@host", "s3+https://key:***@host"],
  ["host=a password=hidden user=b", "host=a password=*** user=b"],
  ["password = 'hid den\\'s' user=b", "password = *** user=b"],
  ["PGPASSWORD=hidden psql", "PGPASSWORD=*** psql"],
  ["sslpassword=hidden", "sslpassword=***"],
  ["AWS_SECRET_ACCESS_KEY=hidden; exit", "AWS_SECRET_ACCESS_KEY=***; exit"],
  ['{"api_key": "hidden", "size": 3}', '{"api_key": ***, "size": 3}'],
  ["hook --token=hidden --size=3", "hook --token=*** --size=3"],
  ["hook --db-password hidden --size 3", "hook --db-password *** --size 3"],
  ["https://host/x?token=hidden&size=3", "https://host/x?token=***&size=3"],
  ["password='hidden and never closed", "password=***"],
];

for (const [text, told] of CASES) {
  test(`told without the credential: ${told}`, () => expect(withoutCredentials(text)).toBe(told));
}

test("what holds none is told as it is", () => {
  const texts = [
    'FATAL:  password authentication failed for user "replicator"',
    "syntax error at or near token: =",
    "DETAIL:  Key (id)=(3) already exists.",
    "pg_basebackup --no-password --pgdata /data",
    "connection to server at 10.0.0.1, port 5432 failed",
  ];
  for (const text of texts) expect(withoutCredentials(text)).toBe(text);
});

test("a long text takes no long time", () => {
  const started = performance.now();
  for (const text of ["a:".repeat(30_000), "password".repeat(8000), "-".repeat(60_000), "'".repeat(60_000)]) {
    withoutCredentials(text);
  }
  expect(performance.now() - started).toBeLessThan(2000);
});

test("a refused reload quotes no credential of a command", () => {
  const { why } = reloadRefused("", `agent.yml:3: pre_promote: got text "hook --token='hidden"`);
  expect(why).toBe(`agent.yml:3: pre_promote: got text "hook --token=***`);
});
