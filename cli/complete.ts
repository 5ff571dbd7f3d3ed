/**
 * Names for the completion of a shell, one a line: of members and clusters, as members answer them. Asked
 * while somebody types: it is quick, and says nothing where nobody answers.
 */
import { ClusterAccess } from "./ctl/access.ts";
import { CtlError } from "./ctl/errors.ts";
import { findSettings } from "./ctl/settings.ts";
import type { Io } from "./ctl/io.ts";

/**
 * Nothing else is proposed: a shell takes what it is told for text of its own, in which $(...) is a command,
 * and a name may come from anybody who answers. One that begins with a hyphen would be an option: --force.
 */
const PLAIN = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

/** Longer than a member needs, shorter than somebody waits for a key. */
const PATIENCE_MS = 1000;

/** `args`: which names, and the words that are on the command line so far. */
export async function completeCommand(
  [which = "", ...words]: readonly string[],
  io: Pick<Io, "environment" | "out">,
): Promise<void> {
  const silent: Io = {
    ...io,
    err: () => {},
    ask: () => {},
    readLine: () => Promise.resolve(null),
    readAll: () => Promise.resolve(""),
    readSecret: () => Promise.resolve(null),
    onKey: () => () => {},
    isTerminal: false,
    size: () => null,
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<readonly string[]>((resolve) =>
    timer = setTimeout(() => resolve([]), PATIENCE_MS)
  );
  const names = await Promise.race([namesOf(which.split(","), words, silent), late]);
  clearTimeout(timer);
  for (const name of names.filter((one) => PLAIN.test(one))) io.out(name);
}

async function namesOf(
  which: readonly string[],
  words: readonly string[],
  io: Io,
): Promise<readonly string[]> {
  try {
    const cluster = new ClusterAccess(findSettings(connection(words, io.environment.HOME), io), io);
    const { scope, members } = await cluster.look(null, { showsAge: true });
    return [
      ...(which.includes("clusters") ? [scope] : []),
      ...(which.includes("members") ? members.map(({ name }) => name) : []),
    ];
  } catch (error) {
    // Nobody answers, or the file named on the line is not there: there is nothing to propose.
    if (error instanceof CtlError) return [];
    throw error;
  }
}

/** What the words say about where the cluster is; the last of them is not finished. */
function connection(words: readonly string[], home: string | undefined) {
  const finished = words.slice(0, -1);
  const valueOf = (...names: readonly string[]) => {
    const values = finished.flatMap((word, index) => {
      if (names.includes(word)) return finished[index + 1] ?? [];
      const name = names.find((one) => word.startsWith(`${one}=`));
      return name === undefined ? [] : word.slice(name.length + 1);
    });
    return values.at(-1) ?? null;
  };
  // The words come from the line, and not from the shell. With `query`, -d is the database, -c the statement.
  const file = words.includes("query") ? valueOf("--config-file") : valueOf("-c", "--config-file");
  return {
    configFile: file === null || home === undefined ? file : file.replace(/^~(?=\/)/, home),
    dcsUrl: words.includes("query") ? valueOf("--dcs-url", "--dcs") : valueOf("-d", "--dcs-url", "--dcs"),
    insecure: words.includes("-k") || words.includes("--insecure"),
  };
}
