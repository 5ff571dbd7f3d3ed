/**
 * A client certificate in a real Chromium, as docs/ui.md tells an operator to install one. The server is the
 * agent's own with a view that stands still: how the page goes on is told by ui_stories.ts.
 */
import { expect } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authority } from "../../raft/transport/testing_certificates.ts";
import { startApiServer } from "../../src/api/server.ts";
import { StubPort } from "../../src/api/testing.ts";
import { run } from "../../src/demo/run.ts";
import { Browser, chromium } from "./browser.ts";
import { isRoot } from "./environment.ts";
import { programOf } from "./recipes.ts";

/** Chromium takes its policies from there alone, which root may write. */
const POLICIES = "/etc/chromium/policies/managed";

/** null: it can be told here. */
export const withoutCertificates = chromium === null
  ? "there is no chromium"
  : programOf("certutil") === null || programOf("pk12util") === null
  ? "there is no certutil (libnss3-tools)"
  : isRoot
  ? null
  : "only root may set a policy of chromium";

async function command(program: string, ...args: string[]): Promise<void> {
  const { code, output } = await run(program, args, "/");
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${output}`);
}

/** Puts the authority, and the certificate if there is one, where a Chromium with this home looks. */
async function install(home: string, ca: string, pkcs12: string | null): Promise<void> {
  const place = join(home, ".pki", "nssdb");
  mkdirSync(place, { recursive: true });
  const store = `sql:${place}`;
  await command("certutil", "-N", "-d", store, "--empty-password");
  await command("certutil", "-A", "-n", "authority", "-t", "C,,", "-d", store, "-i", ca);
  if (pkcs12 !== null) await command("pk12util", "-i", pkcs12, "-d", store, "-W", "word");
}

/** With the certificate the page works, and so does what it asks for; without it there is no page. */
export async function showCertificate(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "browser-tls-"));
  const authority = new Authority("members");
  const [server, operator] = [
    authority.issue({ commonName: "node1", names: ["127.0.0.1"] }),
    authority.issue({ commonName: "operator", names: [] }),
  ];
  const write = (name: string, text: string) => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const [certfile, keyfile, cafile] = [
    write("server.pem", server.cert),
    write("server.key", server.key),
    write("ca.pem", server.ca),
  ];
  const [cert, key, pkcs12] = [
    write("operator.pem", operator.cert),
    write("operator.key", operator.key),
    join(directory, "operator.p12"),
  ];
  const out = ["-out", pkcs12, "-passout", "pass:word"];
  await command("openssl", "pkcs12", "-export", "-in", cert, "-inkey", key, ...out);

  const port = new StubPort();
  port.changeRestapi({ certfile, keyfile, cafile, verifyClient: "required" });
  const api = startApiServer(port, port.view().config, {
    onError: (error) => expect.unreachable(String(error)),
  });
  const origin = `https://127.0.0.1:${api.port}`;
  const made = mkdirSync(POLICIES, { recursive: true });
  const policy = join(POLICIES, "agent-test.json");
  // Without it, Chromium asks the person before it which certificate to show.
  writeFileSync(
    policy,
    JSON.stringify({ AutoSelectCertificateForUrls: [JSON.stringify({ pattern: origin, filter: {} })] }),
  );
  try {
    await withBrowser((home) => install(home, cafile, null), async (browser) => {
      await browser.open(`${origin}/ui`);
      await browser.shows(/ERR_BAD_SSL_CLIENT_AUTH_CERT/);
    });
    await withBrowser((home) => install(home, cafile, pkcs12), async (browser) => {
      await browser.open(`${origin}/ui`);
      await browser.shows(/Healthy/, "#header");
      expect(port.calls).toEqual([]);
      expect(await browser.evaluate('fetch("/reload", { method: "POST" }).then((one) => one.status)')).toBe(
        202,
      );
      expect(port.calls).toHaveLength(1);
      expect(browser.complaints).toEqual([]);
    });
  } finally {
    await api.stop();
    rmSync(made ?? policy, { recursive: true });
    rmSync(directory, { recursive: true });
  }
}

async function withBrowser(
  prepare: (home: string) => Promise<void>,
  tell: (browser: Browser) => Promise<void>,
): Promise<void> {
  const browser = await Browser.start(prepare);
  try {
    await tell(browser);
  } catch (error) {
    console.error(await browser.text().catch(() => "no page"), browser.complaints);
    throw error;
  } finally {
    await browser.stop();
  }
}
