import { expect, test } from "bun:test";
import type { Complaint } from "./check_conf.ts";
import { accepted, describeVerdict, type Settings, trySettings } from "./trial.ts";

/** A server that knows these parameters, each with a range or none; unknown names hide bad values. */
function server(known: { readonly [name: string]: readonly [number, number] | null }) {
  const tried: Settings[] = [];
  const attempt = (settings: Settings) => {
    tried.push(settings);
    const unknown = Object.keys(settings).filter((name) => !(name.toLowerCase() in known));
    const bad = Object.entries(settings).flatMap(([name, value]): Complaint[] => {
      const range = known[name.toLowerCase()];
      if (range === null || range === undefined) return [];
      const number = Number(value);
      if (Number.isNaN(number)) return [{ name: name.toLowerCase(), bound: null }];
      if (number < range[0]) return [{ name, bound: String(range[0]) }];
      return number > range[1] ? [{ name, bound: String(range[1]) }] : [];
    });
    const complaints = unknown.length > 0 ? unknown.map((name) => ({ name, bound: null })) : bad;
    return Promise.resolve({ ok: complaints.length === 0, complaints, output: "" });
  };
  return { tried, attempt };
}

test("what is not known is left out, what is out of range is put at its end, and the rest stays", async () => {
  const { attempt } = server({ work_mem: [64, 1000], port: [1, 65535], free: null });
  const settings = { Work_Mem: "1", port: "many", free: "x", nope: "1" };
  const verdict = await trySettings(settings, attempt);
  expect(verdict).toEqual({ refused: ["nope", "port"], clamped: { Work_Mem: "64" }, problem: null });
  expect(accepted(settings, verdict)).toEqual({ Work_Mem: "64", free: "x" });
  expect(describeVerdict(settings, verdict)).toEqual([
    "Value=1 of parameter=Work_Mem is outside of its range, 64 is used",
    "Removing unexpected parameter=nope value=1 from the config",
    "Removing unexpected parameter=port value=many from the config",
  ]);
});

test("a bound that is not taken, either, ends in the parameter being left out", async () => {
  const attempt = (settings: Settings) =>
    Promise.resolve({
      ok: !("p" in settings),
      complaints: "p" in settings ? [{ name: "p", bound: "5" }] : [],
      output: "",
    });
  expect(await trySettings({ p: "1" }, attempt)).toEqual({ refused: ["p"], clamped: {}, problem: null });
});

test("what is wrong elsewhere is told, and the settings are not blamed", async () => {
  const attempt = () =>
    Promise.resolve({ ok: false, complaints: [{ name: "users", bound: null }], output: "why" });
  expect(await trySettings({ p: "1" }, attempt)).toEqual({ refused: [], clamped: {}, problem: "why" });
});
