/** The last lags of a member as a line, for the eyes only: the figure beside it says what is now. */
import { type Element, h } from "./node.ts";

const WIDTH = 120;
const HEIGHT = 24;
/** A lag below this is drawn as little, whatever the largest one was. */
const LEAST_SCALE = 64 * 1024;

export function sparkline(lags: readonly (number | null)[]): Element | null {
  if (lags.length < 2) return null;
  const scale = Math.max(LEAST_SCALE, ...lags.map((lag) => lag ?? 0));
  const step = WIDTH / (lags.length - 1);
  const points = lags.flatMap((lag, at) =>
    lag === null
      ? []
      : [`${(at * step).toFixed(1)},${(HEIGHT - 2 - (lag / scale) * (HEIGHT - 4)).toFixed(1)}`]
  );
  return h(
    "svg",
    { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", preserveAspectRatio: "none" },
    h("polyline", { points: points.join(" ") }),
  );
}
