/**
 * The thread of the REST API: requests are read, judged and answered here. Whatever strangers send, the loop
 * that renews the lease only makes 20 copies of its state a second and runs the granted operations. Started
 * by api_thread.ts; in the compiled program it is an entry of its own.
 */
import { SystemClock } from "../../lib/clock.ts";
import type { Level, Log, LogFields } from "../../lib/log.ts";
import { type ApiServer, startApiServer } from "../server.ts";
import { type FromThread, StartSignal, type ToThread } from "./protocol.ts";
import { RemotePort } from "./remote_port.ts";

declare const self: Worker;

const tell = (message: FromThread) => self.postMessage(message);
let port: RemotePort | null = null;
let server: ApiServer | null = null;

self.onmessage = ({ data }: MessageEvent<ToThread>) => {
  switch (data.kind) {
    case "start":
      return start(data);
    case "snapshot":
    case "metrics":
    case "done":
      return port?.heard(data);
    case "copy":
      port?.heard(data);
      return tell({ kind: "copied", id: data.id });
    case "reload":
      return reload(data);
    case "ping":
      server?.look();
      // Every 5 s: a check that comes every 10 s and meets a busy loop is answered from a copy of 5 s ago, not
      // of ten. One that comes more often has the copy of the check before it.
      void port?.keepFresh();
      return tell({ kind: "pong" });
    case "stop":
      void server?.stop();
  }
};

function start({ config, snapshot, started }: Extract<ToThread, { kind: "start" }>): void {
  const signal = new StartSignal(started);
  try {
    const remote = new RemotePort(new SystemClock(), snapshot, tell);
    port = remote;
    server = startApiServer(remote, config, {
      log: remoteLog(),
      freshen: (path) => remote.freshen(path),
      metrics: () => remote.metrics(),
      // Of this thread alone: no other waits for it.
      collect: () => Bun.gc(true),
    });
    tell({ kind: "listening", port: server.port });
    signal.listening(server.port);
  } catch (error) {
    tell({ kind: "failed", message: messageOf(error) });
    signal.failed(messageOf(error));
  }
}

function reload({ id, config }: Extract<ToThread, { kind: "reload" }>): void {
  let problem: string | null = null;
  try {
    server?.reload(config);
  } catch (error) {
    problem = messageOf(error);
  }
  tell({ kind: "reloaded", id, port: server?.port ?? 0, problem });
}

/** Lines are limited before they come here (LimitedLog of the server). */
function remoteLog(): Log {
  const at = (level: Level) => (event: string, text: string, fields: LogFields = {}) =>
    tell({ kind: "log", level, event, text, fields });
  return {
    debug: at("debug"),
    info: at("info"),
    warning: at("warning"),
    error: at("error"),
    critical: at("critical"),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
