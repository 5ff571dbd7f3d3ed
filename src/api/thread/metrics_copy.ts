/**
 * `GET /metrics` between the two threads. The agent's loop writes the text itself: the values cost it less
 * than a copy of the state that they are taken from, and the thread hands the text on, without a layer that
 * reads or writes it once more.
 *
 * While the loop stands still its last text is shown, with the lines that time alone has changed made anew
 * from the last copy of the state: a lease that ends, an age, a server that has not been asked for long. All
 * others stay, so that no counter goes back.
 */
import type { Clock } from "../../../raft/mod.ts";
import type { RestApiConfig } from "../../model/config.ts";
import { extraHeaders } from "../extra_headers.ts";
import { type Answer, headerLines } from "../http/answer.ts";
import { METRICS_HEADERS } from "../metrics.ts";
import { MetricsPage, type MetricsSource, type WrittenPage } from "../metrics_page.ts";
import type { ApiPort, ApiView } from "../port.ts";

/** A text younger than this is shown as it is. */
const AGE_SHOWN_MS = 100;
/** An aged answer is given again for so long: to make one costs more than a text of the loop. */
const KEEP_MS = 50;

/** The text of one moment, as the loop sends it. */
export interface WrittenMetrics extends WrittenPage {
  readonly atMs: number;
}

/** `error`: why there is none. */
export type WritingOutcome = WrittenMetrics | { readonly atMs: number; readonly error: string };

/** On the agent's loop: a fault here is an error of one request, as it would be in the thread. */
export function writeMetrics(page: MetricsPage, port: ApiPort, clock: Clock): WritingOutcome {
  const atMs = clock.now();
  try {
    return { atMs, ...page.write(port) };
  } catch (error) {
    return { atMs, error: error instanceof Error ? error.stack ?? error.message : String(error) };
  }
}

/** A view as it is when nothing is heard of the loop for `byMs` more. */
export type Ageing = (view: ApiView, byMs: number) => ApiView;

/** In the thread: the last text, as an answer. */
export class MetricsCopy {
  readonly #age: Ageing;
  readonly #written: WrittenMetrics;
  #answer: { readonly restapi: RestApiConfig; readonly answer: Answer } | null = null;
  #aged: { readonly byMs: number; readonly leaseOver: boolean; readonly answer: Answer } | null = null;

  constructor(written: WrittenMetrics, age: Ageing) {
    this.#written = written;
    this.#age = age;
  }

  get atMs(): number {
    return this.#written.atMs;
  }

  /** `ageMs` after it was written. `view`, `source`: the last copy of the state, which may be older. */
  answer(ageMs: number, view: ApiView, source: MetricsSource): Answer {
    const { leaseRemainingMs } = this.#written;
    // No answer outlives a lease.
    const leaseOver = leaseRemainingMs > 0 && ageMs >= leaseRemainingMs;
    if (ageMs < AGE_SHOWN_MS && !leaseOver) return this.#asWritten(view.config.restapi);
    if (this.#aged?.leaseOver !== leaseOver || ageMs - this.#aged.byMs > KEEP_MS) {
      this.#aged = { byMs: ageMs, leaseOver, answer: this.#makeAged(ageMs, view, source) };
    }
    return this.#aged.answer;
  }

  #asWritten(restapi: RestApiConfig): Answer {
    if (this.#answer?.restapi !== restapi) {
      this.#answer = { restapi, answer: answerWith(this.#written.text, restapi) };
    }
    return this.#answer.answer;
  }

  #makeAged(byMs: number, view: ApiView, source: MetricsSource): Answer {
    const { text, holdsLease, leaseRemainingMs } = this.#written;
    const page = (view: ApiView, leftMs: number) =>
      new MetricsPage().write({
        view: () => view,
        leaseRemainingMs: () => leftMs,
        // Held without time that remains: maintenance mode.
        holdsLease: () => holdsLease && (leaseRemainingMs === 0 || leftMs > 0),
        measures: () => source.measures(),
        measuredLateness: () => source.measuredLateness(),
        clocks: () => source.clocks(),
        lateness: (kind) => source.lateness(kind),
      }).text;
    // The copy may be older than the text. Whether SQL answered in between is not known of it: what depends
    // on that is made anew as soon as nobody can know any more.
    const before = { ...view, sqlAnswers: view.postgres !== null };
    const then = families(page(before, leaseRemainingMs));
    const now = families(page(this.#age(before, byMs), Math.max(0, leaseRemainingMs - byMs)));
    return answerWith(withChanges(text, then, now), view.config.restapi);
  }
}

function answerWith(text: string, restapi: RestApiConfig): Answer {
  const extra = extraHeaders(restapi);
  return { status: 200, headers: extra.length === 0 ? PLAIN : linesWith(extra), body: Buffer.from(text) };
}

const PLAIN = linesWith([]);

function linesWith(extra: readonly [string, string][]): string {
  const headers = new Headers(METRICS_HEADERS);
  for (const [name, value] of extra) headers.set(name, value);
  return headerLines(headers);
}

/** `text` with those of its families that are others now than they were then. */
function withChanges(
  text: string,
  then: ReadonlyMap<string, string>,
  now: ReadonlyMap<string, string>,
): string {
  let changed = "";
  for (const [name, lines] of families(text)) {
    changed += now.get(name) === then.get(name) ? lines : now.get(name) ?? "";
  }
  return changed;
}

/** The lines of each metric, from its head on. */
function families(text: string): Map<string, string> {
  return new Map(
    text.split(/^(?=# HELP )/m).filter((lines) => lines !== "").map((
      lines,
    ) => [lines.split(" ", 3)[2]!, lines]),
  );
}
