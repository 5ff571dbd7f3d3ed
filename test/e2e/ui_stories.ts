/** What an operator with a real browser sees and does at /ui. */
import { expect } from "bun:test";
import { nowMs } from "../../src/demo/now.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { Browser } from "./browser.ts";
import { type Fixture, START_MS } from "./harness.ts";

/** Answers that are refused, and hosts that are down, are complained of. Errors of scripts must not be. */
const EXPECTED = /"source":"network"/;

async function withBrowser(tell: (browser: Browser) => Promise<void>, expected = EXPECTED): Promise<void> {
  const browser = await Browser.start();
  try {
    await tell(browser);
    expect(browser.complaints.filter((one) => !expected.test(one))).toEqual([]);
  } catch (error) {
    console.error(await browser.text().catch(() => "no page"), browser.complaints);
    throw error;
  } finally {
    await browser.stop();
  }
}

/** The page of a standby, while first the primary goes, then the majority, then that standby. */
export async function watchFailures(fixture: Fixture): Promise<void> {
  const { cluster } = fixture;
  const old = await fixture.healed();
  const [seer, last] = cluster.others(old) as [typeof old, typeof old];
  await withBrowser(async (browser) => {
    await browser.open(`http://${seer.restAddress}/ui`);
    await browser.shows(new RegExp(`Healthy\\s+${old.name} leads, 3 members`), "#header");
    await browser.shows(/bootstrap-done/, "#events");
    const begin = nowMs();
    await old.powerOff();
    const successor = await fixture.successorOf(old, begin);
    await browser.shows(new RegExp(`${successor.name} leads, 2 members`), "#header");
    await browser.shows(new RegExp(`${old.name} is not heard`), "#alerts");
    await browser.shows(new RegExp(`Because of lock-expired of ${old.name}`), "#events");
    await browser.shows(new RegExp(`${successor.name} holds the lock`), "#why");
    await last.powerOff();
    await browser.shows(/no contact with a majority[\s\S]*own view/, "#alerts");
    await browser.shows(/Last known: No majority/, "#header");
    await seer.powerOff();
    await browser.shows(new RegExp(`${seer.name} does not answer[\\s\\S]*old`), "#alerts");
    for (const host of cluster.hosts) host.start();
    await browser.shows(/Healthy/, "#header");
    await browser.shows(/live from/, "#header");
  });
  await fixture.healed();
}

/** By the names of buttons and fields, as somebody does who does not see the page. */
export async function operate(fixture: Fixture): Promise<void> {
  const { cluster } = fixture;
  const old = await fixture.healed();
  const candidate = cluster.others(old)[0]!;
  const dialog = "#dialog";
  await withBrowser(async (browser) => {
    await browser.open(`http://${candidate.restAddress}/ui`);
    await browser.shows(/Healthy/, "#header");
    await browser.press("Switch over…");
    await browser.fill("[name=candidate]", candidate.name);
    await browser.press("Switch over", dialog);
    for (const password of ["wrong", cluster.secrets.restapi]) {
      await browser.shows(password === "wrong" ? /Sign in/ : /not accepted/, "#sign-in");
      await browser.fill("[name=username]", "agent");
      await browser.fill("[name=password]", password);
      await browser.press("Sign in", "#sign-in");
    }
    await browser.shows(new RegExp(`Successfully switched over to "${candidate.name}"`), dialog);
    await browser.press("Close", dialog);
    await browser.shows(new RegExp(`${candidate.name} leads`), "#header");
    expect(await browser.evaluate("document.documentElement.outerHTML")).not.toContain(
      cluster.secrets.restapi,
    );

    await browser.press("Edit…");
    await browser.shows(/Edit the configuration/, dialog);
    const config = JSON.parse(String(await browser.evaluate('document.querySelector("textarea").value')));
    await browser.fill("textarea", JSON.stringify({ ...config, member_slots_ttl: "45min" }));
    await browser.press("Show the changes", dialog);
    await browser.shows(/member_slots_ttl[\s\S]*after:[\s\S]*45min/, dialog);
    await browser.press("Save", dialog);
    await browser.shows(/Done\./, dialog);
    await browser.press("Close", dialog);
    await browser.shows(/"member_slots_ttl": "45min"/, "#configuration");
    expect((await candidate.rest("/config")).text).toContain('"member_slots_ttl": "45min"');

    // Nothing that a page of another origin asks for is done, with or without a password.
    const markup =
      '(() => { try { document.body.innerHTML = "<b>x</b>"; return "taken"; } catch { return "refused"; } })()';
    expect(await browser.evaluate(markup)).toBe("refused");
    await browser.open(`http://${old.restAddress}/history`);
    await browser.shows(/^\[\[/);
    const url = JSON.stringify(`http://${candidate.restAddress}/reload`);
    await browser.evaluate(`fetch(${url}, { method: "POST", mode: "no-cors" }).then(() => "sent")`);
    await waitFor(
      "the refusal",
      START_MS,
      () => candidate.log().includes("denied: 403 this request comes from a page of another origin"),
    );
  }, /"source":"network"|requires 'TrustedHTML' assignment/);
}
