/** What a browser gets below /ui, and what it may do with it. */
import { expect, test } from "bun:test";
import { createApp } from "../app.ts";
import { StubPort } from "../testing.ts";
import { FILES } from "./files.ts";

function app(port = new StubPort()) {
  return createApp(port, { onError: (error) => expect.unreachable(String(error.stack)) });
}

const PATHS = ["/ui", "/ui/data", ...Object.keys(FILES).map((path) => `/ui/${path}`)];

test("each answer forbids everything from elsewhere, frames, guesses of its type, and copies", async () => {
  expect(PATHS.length).toBeGreaterThan(20);
  for (const path of PATHS) {
    const { status, headers } = await app().request(path);
    expect([path, status]).toEqual([path, 200]);
    const policy = new Map(
      headers.get("content-security-policy")!.split("; ").map((rule) => {
        const [name, ...values] = rule.split(" ");
        return [name, values.join(" ")];
      }),
    );
    expect(policy.get("default-src")).toBe("'none'");
    expect(policy.get("frame-ancestors")).toBe("'none'");
    expect(policy.get("require-trusted-types-for")).toBe("'script'");
    for (const value of policy.values()) expect(value).toMatch(/^'(?:none|self|script)'$/);
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
  }
});

test("the page holds no script and no style, and names only files that are served", async () => {
  const page = await (await app().request("/ui")).text();
  expect(page).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|https?:/);
  const named = [...page.matchAll(/(?:src|href)="\/ui\/([^"]+)"/g)].map(([, path]) => path!);
  expect(named.sort()).toEqual(["dom/main.js", "icon.svg", "style.css"]);
  expect(named.filter((path) => FILES[path] === undefined)).toEqual([]);
  expect(FILES["style.css"]).not.toMatch(/url\(|@import/);
});

test("every script finds the scripts that it imports, all are needed, and none makes markup of a text", () => {
  const imports = new Map<string, string[]>();
  for (const [path, text] of Object.entries(FILES)) {
    if (!path.endsWith(".js")) continue;
    const targets = [...text.matchAll(/from\s*"([^"]+)"/g)].map(([, target]) => target!);
    imports.set(path, targets.map((target) => new URL(target, `http://x/${path}`).pathname.slice(1)));
    expect(text).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function/);
  }
  for (const [path, targets] of imports) {
    for (const target of targets) {
      expect([path, target, FILES[target] !== undefined]).toEqual([path, target, true]);
    }
  }
  const reached = new Set<string>(["dom/main.js"]);
  for (const path of reached) for (const target of imports.get(path)!) reached.add(target);
  expect([...imports.keys()].filter((path) => !reached.has(path))).toEqual([]);
});

test("scripts and styles have the types that a browser asks for", async () => {
  const type = async (path: string) => (await app().request(path)).headers.get("content-type");
  expect(await type("/ui")).toBe("text/html; charset=utf-8");
  expect(await type("/ui/style.css")).toBe("text/css; charset=utf-8");
  expect(await type("/ui/dom/main.js")).toBe("text/javascript; charset=utf-8");
  expect(await type("/ui/icon.svg")).toBe("image/svg+xml");
  expect(await type("/ui/data")).toBe("application/json");
});

test("other paths lead nowhere, and with restapi.ui: false all of them", async () => {
  const status = async (path: string, port = new StubPort()) => (await app(port).request(path)).status;
  for (
    const path of ["/ui/nothing", "/ui/__proto__", "/ui/constructor", "/ui/dom", "/ui/..%2f..%2fetc%2fpasswd"]
  ) {
    expect([path, await status(path)]).toEqual([path, 404]);
  }
  const port = new StubPort();
  port.changeRestapi({ ui: false });
  for (const path of PATHS) expect([path, await status(path, port)]).toEqual([path, 404]);
  expect(await status("/cluster", port)).toBe(200);
});

test("the browser adds a client certificate where one is asked for, and never a password", async () => {
  const credentials = async (port: StubPort) =>
    /name="credentials" content="([^"]*)"/.exec(await (await app(port).request("/ui")).text())?.[1];
  const port = new StubPort();
  expect(await credentials(port)).toBe("omit");
  port.changeRestapi({ certfile: "/cert.pem" });
  expect(await credentials(port)).toBe("omit");
  port.changeRestapi({ verifyClient: "optional" });
  expect(await credentials(port)).toBe("same-origin");
});

test("the data is there while nothing is known, and while PostgreSQL hangs", async () => {
  const port = new StubPort();
  port.lease = false;
  port.change({ dcs: null, dcsAgeMs: null, raft: null, statuses: [], sqlAnswers: false });
  const data = await (await app(port).request("/ui/data")).json();
  expect(data).toMatchObject({
    name: "node1",
    revision: null,
    raft: null,
    lease: { holder: null, held_here: false, remaining_ms: 0 },
    cluster: { members: [], agent: { fresh: false } },
  });
});
