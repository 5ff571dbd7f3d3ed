import { expect, test } from "bun:test";
import { notifySystemd, takeNotifySocket } from "./sd_notify.ts";

test("without systemd nothing is sent and nothing fails", () => {
  takeNotifySocket({});
  expect(notifySystemd("READY")).toBe(true);
});

test("the socket is taken out of the environment, and one that is not there is noticed", () => {
  const environment: { [name: string]: string | undefined } = { NOTIFY_SOCKET: "/nonexistent/notify" };
  takeNotifySocket(environment);
  expect(environment).toEqual({});
  expect(notifySystemd("STOPPING")).toBe(false);
  takeNotifySocket({});
});
