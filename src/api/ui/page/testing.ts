/** Answers of a healthy cluster of three, of which a test may replace any part. */
import { StubPort } from "../../testing.ts";
import { uiData } from "../data.ts";
import type { UiDataJson } from "../shape.ts";
import { NOTHING_KNOWN, type PageState, withAnswer } from "./model/state.ts";

export const AT_MS = Date.parse("2026-01-31T12:00:00Z");

export function answer(arrange: (port: StubPort) => void = () => {}): UiDataJson {
  const port = new StubPort();
  arrange(port);
  return uiData(port, AT_MS);
}

export function stateOf(data: UiDataJson, records: Partial<PageState["records"]> = {}): PageState {
  const state = withAnswer(NOTHING_KNOWN, data, AT_MS);
  return { ...state, records: { ...state.records, ...records } };
}
