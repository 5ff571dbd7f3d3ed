/**
 * The synchronous standbys that the agent has decided on, and how far the server goes by them
 * (src/sync/DESIGN.md, "Since when a setting holds").
 */
import type { SyncView } from "../../model/postgres_view.ts";
import { formatSetting, isSameSetting, NO_SYNC, type SyncSetting } from "../../sync/setting.ts";
import type { ServerMemory } from "./server_memory.ts";

export class SyncMemory {
  #setting = NO_SYNC;
  #turn = 0;
  /** synchronous_standby_names is the agent's, also where it is empty. */
  keeps = false;

  readonly #server: () => ServerMemory | null;

  constructor(server: () => ServerMemory | null) {
    this.#server = server;
  }

  /** The value for the files; null: the user's own. */
  text(): string | null {
    return this.keeps || this.#setting.count > 0 ? formatSetting(this.#setting) : null;
  }

  get setting(): SyncSetting {
    return this.#setting;
  }

  /** From here on the server may go by this setting, or by the one before. */
  set setting(setting: SyncSetting) {
    if (isSameSetting(setting, this.#setting)) return;
    this.#setting = setting;
    this.#unsettle();
  }

  /**
   * Changes with what the server goes by: an answer to a question of another turn says nothing of this one.
   */
  get turn(): number {
    return this.#turn;
  }

  /** The postmaster has read the setting, and told all its processes. */
  isLoaded(own: ServerMemory): void {
    own.syncLoaded = true;
    this.#turn++;
  }

  /** The value that the server goes by, as it has answered to a question of that turn. */
  seen(names: string, turn: number): void {
    const isOthers = names !== (this.text() ?? names);
    if (isOthers && this.#server()?.syncLoaded && turn === this.#turn) this.setByOthers(names);
  }

  /**
   * Others have set other standbys (ALTER SYSTEM), and the server may have gone by that for a while. They are
   * written again, and what was acknowledged meanwhile counts as acknowledged by any of them.
   * The checkpointer may have had no commit wait.
   */
  setByOthers(names: string): void {
    this.#unsettle();
    const server = this.#server();
    if (server === null) return;
    server.commitsWait = false;
    server.othersSync ??= names;
  }

  /** The server does not go by the setting, or not all of it does. */
  #unsettle(): void {
    this.#turn++;
    const server = this.#server();
    if (server === null) return;
    server.syncLoaded = false;
    server.settledLsn = null;
  }

  /** `server`: the one that runs; null: none does. */
  view(server: ServerMemory | null): SyncView {
    return {
      setting: this.#setting,
      loaded: server?.syncLoaded ?? false,
      commitsWait: server?.commitsWait ?? false,
      settledLsn: server?.settledLsn ?? null,
      flushed: server?.flushed ?? {},
      senders: server?.status?.senders ?? [],
      waitingSince: server?.status?.waitingSince ?? null,
      exempt: server?.exempt ?? [],
      ...(server?.status?.syncNames === undefined ? {} : { namesInForce: server.status.syncNames }),
    };
  }
}
