/** A copy that is under way, as `GET /patroni` and `GET /cluster` show it. */
import { type CopyStatus, secondsLeft } from "../model/copy_status.ts";
import type { CopyJson } from "./shapes.ts";

export function copyJson(copy: CopyStatus): CopyJson {
  const { from, doneBytes, totalBytes, bytesPerSecond } = copy;
  const rounded = (value: number | null) => value === null ? null : Math.round(value);
  return {
    from,
    ...(copy.by === undefined ? {} : { by: copy.by }),
    done_bytes: doneBytes,
    total_bytes: totalBytes,
    bytes_per_second: rounded(bytesPerSecond),
    seconds_left: rounded(secondsLeft(copy)),
  };
}
