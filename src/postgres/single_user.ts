/**
 * Crash recovery without a server: `postgres --single` replays the WAL, writes a checkpoint and ends at the
 * end of its (empty) input. It does not listen, and serves no clients.
 */

const SETTINGS = [
  // WAL that waits for the archive goes on waiting: it is not known yet whether it belongs there.
  "archive_mode=on",
  "archive_command=false",
  "synchronous_standby_names=",
];

export function singleUserArguments(dataDir: string, configFile: string): string[] {
  const args = ["--single", "-D", dataDir];
  for (const setting of [`config_file=${configFile}`, ...SETTINGS]) args.push("-c", setting);
  return [...args, "template1"];
}
